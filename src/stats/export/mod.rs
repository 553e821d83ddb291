//! Writes reports as text: for people, for tools, for other programs of this project. Every format has a file of its own.

mod base64;
mod csv;
mod hgrm;
mod hlog;
mod html;
mod json;
mod openmetrics;
mod plot;
mod time;
mod zlib;

use super::document::Document;
use crate::status::*;

pub use base64::encode as base64;
pub use html::duration as shown_duration;
pub use json::{FORMAT as JSON_FORMAT, VERSION as JSON_VERSION};

/// Appends formatted text.
macro_rules! put {
    ($text:expr, $($format:tt)*) => {
        std::fmt::Write::write_fmt($text, format_args!($($format)*)).expect("a string takes everything")
    };
}
pub(crate) use put;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// HdrHistogram's percentile distribution, of one series.
    Hgrm,
    /// HdrHistogram's interval log, version 2.
    Hlog,
    /// Everything, in a form that can be read back.
    Json,
    OpenMetrics,
    /// The buckets.
    Csv,
    /// A page for people.
    Html,
}

impl Format {
    pub const ALL: [(Format, &str); 6] = [
        (Format::Hgrm, "hgrm"),
        (Format::Hlog, "hlog"),
        (Format::Json, "json"),
        (Format::OpenMetrics, "openmetrics"),
        (Format::Csv, "csv"),
        (Format::Html, "html"),
    ];

    pub fn named(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|(_, known)| *known == name).map(|(format, _)| format)
    }
}

/// Writes documents in a format. Several documents are for comparison. JSON takes one document; the percentile distribution
/// takes the first series.
pub fn write(format: Format, documents: &[Document]) -> Result<String> {
    match (format, documents) {
        (Format::Json, [document]) => Ok(json::write(document)),
        (Format::Json, _) => Err(Error::new(RTW_ERR_ARGUMENT, "JSON holds one document; several have to be merged first")),
        (Format::Hgrm, documents) => match documents.iter().flat_map(Document::series).collect::<Vec<_>>()[..] {
            [] => Err(Error::new(RTW_ERR_ARGUMENT, "there is no series to write")),
            [(_, series), ..] => Ok(hgrm::write(series, &documents[0])),
        },
        (Format::Hlog, documents) => Ok(hlog::write(documents)),
        (Format::OpenMetrics, documents) => Ok(openmetrics::write(documents)),
        (Format::Csv, documents) => Ok(csv::write(documents)),
        (Format::Html, documents) => Ok(html::write(documents)),
    }
}

/// Keeps only the series of that name, if a name is given.
pub fn keep_series(document: &mut Document, name: Option<&str>) -> Result<()> {
    let Some(name) = name else { return Ok(()) };
    let mut known: Vec<&str> = Vec::new();
    for (_, series) in document.series() {
        if let Err(place) = known.binary_search(&series.name) {
            known.insert(place, series.name);
        }
    }
    let known = known.join(", ");
    match document.keep_series(name) {
        true => Ok(()),
        false => Err(Error::new(RTW_ERR_ARGUMENT, format!("there is no series \"{name}\"; there are: {known}"))),
    }
}

#[cfg(test)]
mod tests;

//! The description of a plug-in in Turtle, as LV2 hosts read it.

use std::collections::HashSet;
use std::fmt::Write;

use rtwasm::artifact::guest::{Guest, Param, Port, param_flag};

const PREFIXES: [(&str, &str); 16] = [
    ("atom", "http://lv2plug.in/ns/ext/atom#"),
    ("bufsz", "http://lv2plug.in/ns/ext/buf-size#"),
    ("doap", "http://usefulinc.com/ns/doap#"),
    ("foaf", "http://xmlns.com/foaf/0.1/"),
    ("log", "http://lv2plug.in/ns/ext/log#"),
    ("lv2", "http://lv2plug.in/ns/lv2core#"),
    ("midi", "http://lv2plug.in/ns/ext/midi#"),
    ("opts", "http://lv2plug.in/ns/ext/options#"),
    ("pg", "http://lv2plug.in/ns/ext/port-groups#"),
    ("pprops", "http://lv2plug.in/ns/ext/port-props#"),
    ("rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"),
    ("rdfs", "http://www.w3.org/2000/01/rdf-schema#"),
    ("state", "http://lv2plug.in/ns/ext/state#"),
    ("units", "http://lv2plug.in/ns/extensions/units#"),
    ("urid", "http://lv2plug.in/ns/ext/urid#"),
    ("work", "http://lv2plug.in/ns/ext/worker#"),
];

/// The ports behind those of the guest, in the order of plugins/lv2/rtwasm_lv2.c: symbol, and what Turtle says about it.
const OWN: [(&str, &str); 7] = [
    (
        "enabled",
        "a lv2:InputPort, lv2:ControlPort ; lv2:name \"Enabled\" ; lv2:designation lv2:enabled ; lv2:default 1 ; lv2:minimum 0 ; \
         lv2:maximum 1 ; lv2:portProperty lv2:toggled, pprops:notOnGUI, lv2:connectionOptional",
    ),
    (
        "freewheel",
        "a lv2:InputPort, lv2:ControlPort ; lv2:name \"Freewheel\" ; lv2:designation lv2:freeWheeling ; lv2:default 0 ; \
         lv2:minimum 0 ; lv2:maximum 1 ; lv2:portProperty lv2:toggled, pprops:notOnGUI, lv2:connectionOptional",
    ),
    (
        "latency",
        "a lv2:OutputPort, lv2:ControlPort ; lv2:name \"Latency\" ; lv2:designation lv2:latency ; lv2:minimum 0 ; \
         lv2:maximum 1048576 ; units:unit units:frame ; \
         lv2:portProperty lv2:reportsLatency, lv2:integer, pprops:notOnGUI, lv2:connectionOptional",
    ),
    (
        "guest_load",
        "a lv2:OutputPort, lv2:ControlPort ; lv2:name \"Load\" ; lv2:minimum 0 ; lv2:maximum 100 ; units:unit units:pc ; \
         lv2:portProperty lv2:connectionOptional",
    ),
    (
        "guest_misses",
        "a lv2:OutputPort, lv2:ControlPort ; lv2:name \"Misses\" ; lv2:minimum 0 ; lv2:maximum 1000000 ; \
         lv2:portProperty lv2:integer, lv2:connectionOptional",
    ),
    (
        "guest_faults",
        "a lv2:OutputPort, lv2:ControlPort ; lv2:name \"Faults\" ; lv2:minimum 0 ; lv2:maximum 1000000 ; \
         lv2:portProperty lv2:integer, lv2:connectionOptional",
    ),
    (
        "guest_fault",
        "a lv2:OutputPort, lv2:ControlPort ; lv2:name \"Fault\" ; lv2:minimum 0 ; lv2:maximum 1 ; \
         lv2:portProperty lv2:toggled, lv2:connectionOptional",
    ),
];

/// Units that LV2 has a name for.
const UNITS: [(&str, &str); 14] = [
    ("db", "db"),
    ("hz", "hz"),
    ("khz", "khz"),
    ("mhz", "mhz"),
    ("s", "s"),
    ("ms", "ms"),
    ("min", "min"),
    ("%", "pc"),
    ("semitones", "semitone12TET"),
    ("st", "semitone12TET"),
    ("cents", "cent"),
    ("bpm", "bpm"),
    ("beats", "beat"),
    ("frames", "frame"),
];

/// True if a text can stand between < and > in Turtle, and is absolute.
pub fn is_uri(text: &str) -> bool {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|other| other.is_ascii_alphanumeric() || "+-.".contains(other));
    is_scheme && text.chars().all(|one| one.is_ascii_graphic() && !"<>\"{}|^`\\".contains(one))
}

/// A text as LV2's symbols are: letters, digits and underscores, no digit first.
pub fn symbol(text: &str) -> String {
    let parts = text.split(|one: char| !one.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    let symbol = parts.collect::<Vec<_>>().join("_").to_ascii_lowercase();
    match symbol.chars().next() {
        None => "unnamed".into(),
        Some(first) if first.is_ascii_digit() => format!("_{symbol}"),
        Some(_) => symbol,
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for one in text.chars() {
        match one {
            '"' | '\\' => out.extend(['\\', one]),
            one if one.is_control() => write!(out, "\\u{:04X}", u32::from(one)).expect("a string takes everything"),
            one => out.push(one),
        }
    }
    out + "\""
}

/// A decimal number, never with an exponent.
fn number(value: f64) -> String {
    let text = format!("{value}");
    if text.contains('.') { text } else { text + ".0" }
}

pub fn manifest(uri: &str, library: &str) -> String {
    format!(
        "{}\n<{uri}>\n\ta lv2:Plugin ;\n\tlv2:binary <{library}> ;\n\trdfs:seeAlso <plugin.ttl> .\n",
        prefixes(&["lv2", "rdfs"])
    )
}

fn prefixes(names: &[&str]) -> String {
    let wanted = PREFIXES.iter().filter(|(name, _)| names.is_empty() || names.contains(name));
    wanted.map(|(name, uri)| format!("@prefix {name}: <{uri}> .\n")).collect()
}

/// Facts that are written in one line.
fn listed(facts: &str) -> Vec<String> {
    facts.split(" ; ").map(str::to_owned).collect()
}

/// Symbols that have been given, each once, and the port groups that ports are in.
struct Writer<'a> {
    uri: &'a str,
    symbols: HashSet<String>,
    ports: Vec<String>,
    groups: Vec<(String, String)>,
}

pub fn plugin(guest: &Guest, uri: &str) -> String {
    let mut writer = Writer {
        uri,
        symbols: OWN.iter().map(|(symbol, _)| symbol.to_string()).collect(),
        ports: Vec::new(),
        groups: Vec::new(),
    };
    let main = [false, true].map(|outputs| writer.audio(guest, outputs));
    if super::takes_midi(guest) {
        let symbol = writer.unique("control");
        writer.port(
            &symbol,
            &listed(
                "a lv2:InputPort, atom:AtomPort ; lv2:name \"Control\" ; lv2:designation lv2:control ; \
                 atom:bufferType atom:Sequence ; atom:supports midi:MidiEvent ; lv2:portProperty lv2:connectionOptional",
            ),
        );
    }
    guest.params.iter().for_each(|one| writer.control(one, true));
    guest.meters.iter().for_each(|one| writer.control(one, false));
    OWN.iter().for_each(|(symbol, facts)| writer.port(symbol, &listed(facts)));

    let mut text = prefixes(&[]);
    for (name, facts) in &writer.groups {
        write!(text, "\n<{uri}#{name}>\n\t{facts} ;\n\tlv2:symbol {} .\n", quoted(name)).expect("a string takes everything");
    }
    write!(text, "\n<{uri}>\n\t{}", head(guest)).expect("a string takes everything");
    for (group, property) in main.iter().zip(["pg:mainInput", "pg:mainOutput"]) {
        if let Some(group) = group {
            write!(text, " ;\n\t{property} <{uri}#{group}>").expect("a string takes everything");
        }
    }
    write!(text, " ;\n\tlv2:port {} .\n", writer.ports.join(" , ")).expect("a string takes everything");
    text
}

/// Facts about the plug-in as a whole.
fn head(guest: &Guest) -> String {
    let takes_midi = super::takes_midi(guest);
    let class = if takes_midi && guest.channels(false) == 0 { "lv2:InstrumentPlugin, lv2:Plugin" } else { "lv2:Plugin" };
    let mut facts = vec![format!("a {class}"), format!("doap:name {}", quoted(&guest.name))];
    for (key, value) in guest.meta.lines().filter_map(|line| line.split_once('=')) {
        match key {
            "author" => facts.push(format!(
                "lv2:project [\n\t\ta doap:Project ;\n\t\tdoap:name {} ;\n\t\tdoap:maintainer [ foaf:name {} ]\n\t]",
                quoted(&guest.name),
                quoted(value)
            )),
            "license" | "licence" if value.chars().all(|one| one.is_ascii_alphanumeric() || "-.+".contains(one)) => {
                facts.push(format!("doap:license <https://spdx.org/licenses/{value}>"));
            }
            "description" => facts.push(format!("rdfs:comment {}", quoted(value))),
            _ => {}
        }
    }
    facts.push("lv2:minorVersion 0".into());
    facts.push("lv2:microVersion 0".into());
    if takes_midi {
        facts.push("lv2:requiredFeature urid:map".into());
    }
    facts.push(
        "lv2:optionalFeature lv2:hardRTCapable, urid:map, opts:options, bufsz:boundedBlockLength, log:log, work:schedule"
            .into(),
    );
    facts.push("opts:supportedOption bufsz:nominalBlockLength, bufsz:maxBlockLength".into());
    facts.push("lv2:extensionData work:interface, state:interface".into());
    facts.join(" ;\n\t")
}

impl Writer<'_> {
    fn unique(&mut self, wanted: &str) -> String {
        let wanted = symbol(wanted);
        let mut names = std::iter::once(wanted.clone()).chain((2..).map(|n| format!("{wanted}_{n}")));
        names.find(|name| self.symbols.insert(name.clone())).unwrap_or_default()
    }

    fn port(&mut self, symbol: &str, facts: &[String]) {
        let index = self.ports.len();
        let facts = facts.join(" ;\n\t\t");
        self.ports.push(format!("[\n\t\tlv2:index {index} ;\n\t\tlv2:symbol \"{symbol}\" ;\n\t\t{facts}\n\t]"));
    }

    /// Writes the audio ports of one direction, one for each channel. Returns the group of the first port, if it has one.
    fn audio(&mut self, guest: &Guest, outputs: bool) -> Option<String> {
        let mut main = None;
        for (at, port) in guest.ports.iter().filter(|port| port.is_output == outputs).enumerate() {
            let group = self.audio_group(port);
            if at == 0 {
                main = group.clone();
            }
            let (direction, otherwise) = if outputs { ("Output", "Out") } else { ("Input", "In") };
            let name = if port.name.is_empty() { otherwise } else { &port.name };
            for channel in 0..port.channels {
                let numbered = if port.channels == 1 { name.to_owned() } else { format!("{name} {}", channel + 1) };
                let symbol = self.unique(&numbered);
                let mut facts =
                    vec![format!("a lv2:{direction}Port, lv2:AudioPort"), format!("lv2:name {}", quoted(&numbered))];
                if let Some(group) = &group {
                    let side = if port.channels == 1 { "center" } else { ["left", "right"][channel as usize & 1] };
                    facts.push(format!("pg:group <{}#{group}>", self.uri));
                    facts.push(format!("lv2:designation pg:{side}"));
                }
                self.port(&symbol, &facts);
            }
        }
        main
    }

    /// Makes a group for a port of one or two channels.
    fn audio_group(&mut self, port: &Port) -> Option<String> {
        let layout = ["", "pg:MonoGroup", "pg:StereoGroup"].get(port.channels as usize).filter(|layout| !layout.is_empty())?;
        let (direction, otherwise) = if port.is_output { ("pg:OutputGroup", "Outputs") } else { ("pg:InputGroup", "Inputs") };
        let name = if port.name.is_empty() { otherwise } else { &port.name };
        let symbol = self.unique(&format!("{name} group"));
        self.groups.push((symbol.clone(), format!("a {layout}, {direction} ;\n\tlv2:name {}", quoted(name))));
        Some(symbol)
    }

    /// The group of a parameter or meter, which several share.
    fn group_of(&mut self, one: &Param) -> Option<String> {
        if one.group.is_empty() {
            return None;
        }
        let facts = format!("a pg:Group ;\n\tlv2:name {}", quoted(&one.group.trim_matches('/').replace('/', " / ")));
        if let Some((symbol, _)) = self.groups.iter().find(|(_, known)| *known == facts) {
            return Some(symbol.clone());
        }
        let symbol = self.unique(&format!("{} group", one.group));
        self.groups.push((symbol.clone(), facts));
        Some(symbol)
    }

    /// A parameter, or a meter.
    fn control(&mut self, one: &Param, is_param: bool) {
        let has = |flag: u32| one.flags & flag != 0;
        let symbol = self.unique(&one.id);
        let name = if one.name.is_empty() { &one.id } else { &one.name };
        let direction = if is_param { "Input" } else { "Output" };
        let mut facts = vec![format!("a lv2:{direction}Port, lv2:ControlPort"), format!("lv2:name {}", quoted(name))];
        if is_param {
            facts.push(format!("lv2:default {}", number(one.default)));
        }
        facts.push(format!("lv2:minimum {}", number(one.min)));
        facts.push(format!("lv2:maximum {}", number(one.max)));
        let is_switch = has(param_flag::TOGGLE) || has(param_flag::TRIGGER);
        let is_plain_switch = is_switch && one.min == 0.0 && one.max == 1.0;
        let labels: Vec<(f64, &str)> = match one.labels.is_empty() {
            false => one.labels.lines().enumerate().map(|(at, label)| (one.min + at as f64, label)).collect(),
            true if is_switch && !is_plain_switch => vec![(one.min, "off"), (one.max, "on")],
            true => Vec::new(),
        };
        let properties = [
            (has(param_flag::INTEGER), "lv2:integer"),
            (is_plain_switch, "lv2:toggled"),
            (!labels.is_empty() && !is_plain_switch, "lv2:enumeration"),
            (has(param_flag::TRIGGER), "pprops:trigger"),
            (has(param_flag::LOGARITHMIC) && one.min > 0.0, "pprops:logarithmic"),
            (has(param_flag::NOT_AUTOMATABLE), "pprops:causesArtifacts"),
            (has(param_flag::HIDDEN), "pprops:notOnGUI"),
            (!is_param, "lv2:connectionOptional"),
        ];
        let properties: Vec<&str> = properties.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
        if !properties.is_empty() {
            facts.push(format!("lv2:portProperty {}", properties.join(", ")));
        }
        for (value, label) in labels {
            facts.push(format!("lv2:scalePoint [ rdfs:label {} ; rdf:value {} ]", quoted(label), number(value)));
        }
        let steps = ((one.max - one.min) / one.step).round() + 1.0;
        if one.step > 0.0 && !is_switch && !has(param_flag::INTEGER) && steps < 1e6 {
            facts.push(format!("pprops:rangeSteps {steps}"));
        }
        if !one.unit.is_empty() {
            let known = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&one.unit));
            facts.push(match known {
                Some((_, unit)) => format!("units:unit units:{unit}"),
                None => format!(
                    "units:unit [ a units:Unit ; rdfs:label {0} ; units:symbol {0} ; units:render {1} ]",
                    quoted(&one.unit),
                    quoted(&format!("%f {}", one.unit.replace('%', "%%")))
                ),
            });
        }
        if let Some(group) = self.group_of(one) {
            facts.push(format!("pg:group <{}#{group}>", self.uri));
        }
        self.port(&symbol, &facts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_letters_digits_and_underscores() {
        let cases =
            [("room", "room"), ("/echo/feedback", "echo_feedback"), ("1.gain", "_1_gain"), ("", "unnamed"), ("äö", "unnamed")];
        for (id, expected) in cases {
            assert_eq!(symbol(id), expected);
        }
    }

    #[test]
    fn texts_cannot_end_their_quotes() {
        assert_eq!(quoted("a \"b\" \\ ; c\nd"), "\"a \\\"b\\\" \\\\ ; c\\u000Ad\"");
        for (text, is) in [
            ("urn:a", true),
            ("https://example.org/a#b", true),
            ("a b:c", false),
            ("urn:<a>", false),
            ("a", false),
            (":a", false),
        ] {
            assert_eq!(is_uri(text), is, "{text}");
        }
    }

    #[test]
    fn numbers_have_no_exponent() {
        let cases = [(0.0, "0.0"), (-60.0, "-60.0"), (0.1, "0.1"), (1e-7, "0.0000001"), (1e20, "100000000000000000000.0")];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn equal_ids_get_symbols_of_their_own() {
        let param = |id: &str| Param { id: id.into(), max: 1.0, ..Param::default() };
        let guest = Guest { name: "A".into(), params: vec![param("a b"), param("a.b"), param("latency")], ..Guest::default() };
        let text = plugin(&guest, "urn:a");
        for symbol in ["\"a_b\"", "\"a_b_2\"", "\"latency_2\"", "\"latency\""] {
            assert_eq!(text.matches(&format!("lv2:symbol {symbol}")).count(), 1, "{symbol}");
        }
    }
}

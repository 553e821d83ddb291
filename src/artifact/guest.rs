//! The description of a guest for audio or control: its ports, parameters and meters, as the compiler found them in the module.
//!
//! The library reads fields where they lie, and copies no text: records of fixed sizes, then all texts, each with a zero byte at its end.
//! Numbers are little-endian. A later version makes header and records longer, and their sizes are in the header.

use crate::status::*;

pub const VERSION: u32 = 1;

/// The ways in which a guest is driven.
pub mod kind {
    /// The interface of guests/include/rtw_guest.h.
    pub const OWN: u32 = 1;
    /// A program of Faust, with samples of single precision.
    pub const FAUST: u32 = 2;
    /// The same in double precision.
    pub const FAUST_DOUBLE: u32 = 3;
}

/// Flags of a guest.
pub mod flag {
    /// It keeps nothing between blocks but its parameters.
    pub const STATELESS: u32 = 1;
    /// It takes events with their frames; for others the library divides the block.
    pub const EVENTS: u32 = 2;
    /// It uses MIDI.
    pub const MIDI: u32 = 4;
    /// It exports functions that save and load its state.
    pub const STATE: u32 = 8;
}

/// Flags of a parameter.
pub mod param_flag {
    /// Whole numbers only.
    pub const INTEGER: u32 = 1;
    /// Two values: the least is off.
    pub const TOGGLE: u32 = 2;
    /// A toggle that is on while it is held.
    pub const TRIGGER: u32 = 4;
    /// A control moves along the logarithm.
    pub const LOGARITHMIC: u32 = 8;
    /// Each change is audible: not for automation.
    pub const NOT_AUTOMATABLE: u32 = 16;
    /// Not for users.
    pub const HIDDEN: u32 = 32;
}

/// One or more channels that belong together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Port {
    pub is_output: bool,
    pub channels: u32,
    pub name: String,
}

/// A parameter, or a meter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Param {
    pub flags: u32,
    /// Where the guest keeps it: in Faust's struct an offset, else an index.
    pub place: u32,
    pub id: String,
    pub name: String,
    pub unit: String,
    pub group: String,
    /// Names of the values from the least one, one a line.
    pub labels: String,
    /// `key=value`, one a line.
    pub meta: String,
    pub min: f64,
    pub max: f64,
    pub default: f64,
    pub step: f64,
}

/// The description as the compiler makes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Guest {
    pub kind: u32,
    pub flags: u32,
    pub latency_frames: u32,
    /// The size of Faust's struct.
    pub struct_bytes: u32,
    /// The number of voices that the guest asks for; 0: none.
    pub voices: u32,
    pub name: String,
    pub meta: String,
    pub ports: Vec<Port>,
    pub params: Vec<Param>,
    pub meters: Vec<Param>,
}

const HEADER_BYTES: usize = 64;
const PORT_BYTES: usize = 12;
const PARAM_BYTES: usize = 64;

/// Limits that keep the library's tables small.
pub const MOST_CHANNELS: u32 = 256;
pub const MOST_PARAMS: u32 = 4096;

/// Texts, each once.
struct Texts(Vec<u8>);

impl Texts {
    fn put(&mut self, text: &str) -> u32 {
        let wanted = [text.as_bytes(), &[0]].concat();
        let starts = |at: usize| at == 0 || self.0[at - 1] == 0;
        if let Some(at) = (0..self.0.len()).find(|at| starts(*at) && self.0[*at..].starts_with(&wanted)) {
            return at as u32;
        }
        let at = self.0.len() as u32;
        self.0.extend(wanted);
        at
    }
}

impl Guest {
    pub fn channels(&self, outputs: bool) -> u32 {
        self.ports.iter().filter(|port| port.is_output == outputs).map(|port| port.channels).sum()
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut texts = Texts(Vec::new());
        let mut records = Vec::new();
        let words = |out: &mut Vec<u8>, words: &[u32]| words.iter().for_each(|word| out.extend(word.to_le_bytes()));
        let (name, meta) = (texts.put(&self.name), texts.put(&self.meta));
        for port in &self.ports {
            words(&mut records, &[port.is_output.into(), port.channels, texts.put(&port.name)]);
        }
        for one in self.params.iter().chain(&self.meters) {
            let Param { flags, place, id, name, unit, group, labels, meta, .. } = one;
            let [id, name, unit, group, labels, meta] = [id, name, unit, group, labels, meta].map(|text| texts.put(text));
            words(&mut records, &[*flags, *place, id, name, unit, group, labels, meta]);
            [one.min, one.max, one.default, one.step].iter().for_each(|number| records.extend(number.to_le_bytes()));
        }
        let mut out = Vec::new();
        let sizes = [HEADER_BYTES, PORT_BYTES, PARAM_BYTES, self.ports.len(), self.params.len(), self.meters.len()];
        words(&mut out, &[VERSION]);
        words(&mut out, &sizes.map(|size| size as u32));
        words(&mut out, &[self.kind, self.flags, self.latency_frames, self.struct_bytes, self.voices, name, meta]);
        words(&mut out, &[self.channels(false), self.channels(true)]);
        out.extend(records);
        out.extend(texts.0);
        out
    }
}

/// A description that was checked, read where it lies.
#[derive(Debug)]
pub struct Described {
    bytes: Box<[u8]>,
    texts: usize,
}

/// The words of the header, in their order.
#[derive(Clone, Copy)]
enum Word {
    Version,
    HeaderBytes,
    PortBytes,
    ParamBytes,
    Ports,
    Params,
    Meters,
    Kind,
    Flags,
    Latency,
    StructBytes,
    Voices,
    Name,
    Meta,
    Inputs,
    Outputs,
}

impl Described {
    /// Checks a description, so that nothing of it lies out of bounds.
    pub fn new(bytes: &[u8]) -> Result<Described> {
        let broken = || Error::new(RTW_ERR_ARTIFACT, "the artifact's description of the guest cannot be read");
        if bytes.len() < HEADER_BYTES {
            return Err(broken());
        }
        let mut found = Described { bytes: bytes.into(), texts: 0 };
        let size = |word: Word| found.word(word) as usize;
        let [header, port, param] = [Word::HeaderBytes, Word::PortBytes, Word::ParamBytes].map(size);
        let [ports, params, meters] = [Word::Ports, Word::Params, Word::Meters].map(size);
        let strides = (HEADER_BYTES..1024).contains(&header)
            && (PORT_BYTES..1024).contains(&port)
            && (PARAM_BYTES..1024).contains(&param);
        let few = ports <= 2 * MOST_CHANNELS as usize && params <= MOST_PARAMS as usize && meters <= MOST_PARAMS as usize;
        if found.word(Word::Version) < VERSION || !strides || !few {
            return Err(broken());
        }
        let texts = header + ports * port + (params + meters) * param;
        let [inputs, outputs] = [Word::Inputs, Word::Outputs].map(|word| found.word(word));
        let known = (kind::OWN..=kind::FAUST_DOUBLE).contains(&found.kind());
        found.texts = texts;
        let is_text = |offset: u32| (offset as usize) < bytes.len() - texts;
        // Only guests of the own interface have a place for events.
        let known = known && (found.kind() == kind::OWN || found.flags() & flag::EVENTS == 0);
        let sound = known
            && inputs.max(outputs) <= MOST_CHANNELS
            && bytes.get(texts..).is_some_and(|blob| blob.last() == Some(&0) && std::str::from_utf8(blob).is_ok())
            && is_text(found.word(Word::Name))
            && is_text(found.word(Word::Meta))
            && (0..ports).all(|at| is_text(found.port(at)[2]))
            && (0..params + meters).all(|at| found.param(at).0[2..].iter().all(|text| is_text(*text)));
        if sound { Ok(found) } else { Err(broken()) }
    }

    /// A word; 0 out of bounds, where no reader of a checked description looks. It cannot panic: the functions of the C API that read
    /// descriptions have no handlers, so that their threads can be cancelled.
    fn at(&self, offset: usize) -> u32 {
        self.bytes.get(offset..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_le_bytes(*word))
    }

    fn word(&self, word: Word) -> u32 {
        self.at(word as usize * 4)
    }

    pub fn kind(&self) -> u32 {
        self.word(Word::Kind)
    }

    pub fn flags(&self) -> u32 {
        self.word(Word::Flags)
    }

    pub fn latency_frames(&self) -> u32 {
        self.word(Word::Latency)
    }

    pub fn struct_bytes(&self) -> u32 {
        self.word(Word::StructBytes)
    }

    pub fn voices(&self) -> u32 {
        self.word(Word::Voices)
    }

    /// Channels of all inputs, and of all outputs.
    pub fn channels(&self) -> (u32, u32) {
        (self.word(Word::Inputs), self.word(Word::Outputs))
    }

    pub fn port_count(&self) -> usize {
        self.word(Word::Ports) as usize
    }

    pub fn param_count(&self) -> usize {
        self.word(Word::Params) as usize
    }

    pub fn meter_count(&self) -> usize {
        self.word(Word::Meters) as usize
    }

    /// 1 for an output, channels, name.
    pub fn port(&self, index: usize) -> [u32; 3] {
        let at = self.word(Word::HeaderBytes) as usize + index * self.word(Word::PortBytes) as usize;
        [0, 4, 8].map(|field| self.at(at + field))
    }

    /// The words flags, place, id, name, unit, group, labels, meta; the numbers min, max, default, step. Meters follow parameters.
    pub fn param(&self, index: usize) -> ([u32; 8], [f64; 4]) {
        let start = self.word(Word::HeaderBytes) as usize + self.port_count() * self.word(Word::PortBytes) as usize;
        let at = start + index * self.word(Word::ParamBytes) as usize;
        let words = [0, 1, 2, 3, 4, 5, 6, 7].map(|field| self.at(at + field * 4));
        let numbers = [0, 1, 2, 3].map(|field| {
            let at = at + 32 + field * 8;
            f64::from_bits(u64::from(self.at(at)) | u64::from(self.at(at + 4)) << 32)
        });
        (words, numbers)
    }

    fn texts_from(&self, offset: u32) -> &[u8] {
        self.bytes.get(self.texts + offset as usize..).unwrap_or(&[0])
    }

    /// A text, with the zero byte that ends it somewhere behind.
    pub fn text_from(&self, offset: u32) -> *const u8 {
        self.texts_from(offset).as_ptr()
    }

    pub fn text(&self, offset: u32) -> &str {
        let bytes = self.texts_from(offset);
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        std::str::from_utf8(&bytes[..end]).unwrap_or("")
    }

    /// The offsets of the guest's name and of its metadata.
    pub fn names(&self) -> (u32, u32) {
        (self.word(Word::Name), self.word(Word::Meta))
    }

    /// All of it, for those who print it.
    pub fn whole(&self) -> Guest {
        let text = |offset| self.text(offset).to_owned();
        let params = |from: usize, count: usize| {
            (from..from + count)
                .map(|index| {
                    let ([flags, place, id, name, unit, group, labels, meta], [min, max, default, step]) = self.param(index);
                    let [id, name, unit, group, labels, meta] = [id, name, unit, group, labels, meta].map(text);
                    Param { flags, place, id, name, unit, group, labels, meta, min, max, default, step }
                })
                .collect()
        };
        let port = |index| {
            let [is_output, channels, name] = self.port(index);
            Port { is_output: is_output != 0, channels, name: text(name) }
        };
        let (name, meta) = self.names();
        Guest {
            kind: self.kind(),
            flags: self.flags(),
            latency_frames: self.latency_frames(),
            struct_bytes: self.struct_bytes(),
            voices: self.voices(),
            name: text(name),
            meta: text(meta),
            ports: (0..self.port_count()).map(port).collect(),
            params: params(0, self.param_count()),
            meters: params(self.param_count(), self.meter_count()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Guest {
        let port = |is_output, channels| Port { is_output, channels, name: "Main".into() };
        let param =
            |id: &str, min| Param { id: id.into(), name: "\u{e9}".into(), min, max: 2.5, default: 1.0, ..Param::default() };
        Guest {
            kind: kind::FAUST,
            flags: flag::MIDI,
            struct_bytes: 52,
            name: "Echo".into(),
            meta: "author=me\nlicense=none".into(),
            ports: vec![port(false, 2), port(false, 1), port(true, 2)],
            params: vec![param("a", -1.0), param("b", 0.0)],
            meters: vec![param("level", -60.0)],
            ..Guest::default()
        }
    }

    #[test]
    fn what_is_encoded_is_read_again() {
        let described = Described::new(&sample().encode()).unwrap();
        assert_eq!(described.whole(), sample());
        assert_eq!(described.channels(), (3, 2));
        assert_eq!(Described::new(&Guest { kind: 1, ..Guest::default() }.encode()).unwrap().whole().ports, []);
    }

    #[test]
    fn only_guests_of_the_own_interface_take_events() {
        for kind in kind::OWN..=kind::FAUST_DOUBLE {
            let described = Described::new(&Guest { kind, flags: flag::EVENTS, ..sample() }.encode());
            assert_eq!(described.is_ok(), kind == kind::OWN, "{kind}");
        }
    }

    #[test]
    fn damaged_descriptions_are_refused_or_stay_in_bounds() {
        let whole = sample().encode();
        for length in 0..whole.len() {
            assert!(Described::new(&whole[..length]).is_err(), "{length}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                if let Ok(described) = Described::new(&damaged) {
                    described.whole();
                }
            }
        }
    }
}

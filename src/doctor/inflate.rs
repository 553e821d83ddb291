//! Unpacks gzip: a kernel without a file in /boot has its configuration in /proc/config.gz. Small rather than fast, and safe on
//! damaged input: an invalid stream is `None`.

/// The order of the code lengths' alphabet in the stream (RFC 1951, 3.2.7).
const LENGTH_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const LENGTH_BASE: [usize; 29] =
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_BITS: [u32; 29] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE: [usize; 30] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193,
    12289, 16385, 24577,
];
const DISTANCE_BITS: [u32; 30] =
    [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];

const MAX_CODE_BITS: usize = 15;
/// More than any kernel's configuration has.
const MAX_OUTPUT_BYTES: usize = 4 << 20;

/// Unpacks the first member of a gzip file. Ignores the checksum: the caller judges the content itself.
pub fn gunzip(bytes: &[u8]) -> Option<Vec<u8>> {
    const HAS_CHECKSUM: u8 = 2;
    const HAS_EXTRA: u8 = 4;
    const HAS_NAME: u8 = 8;
    const HAS_COMMENT: u8 = 16;
    let (header, mut rest) = bytes.split_at_checked(10)?;
    if header[..3] != [0x1f, 0x8b, 8] {
        return None;
    }
    let flags = header[3];
    if flags & HAS_EXTRA != 0 {
        let length = u16::from_le_bytes([*rest.first()?, *rest.get(1)?]) as usize;
        rest = rest.get(2 + length..)?;
    }
    for flag in [HAS_NAME, HAS_COMMENT] {
        if flags & flag != 0 {
            rest = rest.get(rest.iter().position(|byte| *byte == 0)? + 1..)?;
        }
    }
    if flags & HAS_CHECKSUM != 0 {
        rest = rest.get(2..)?;
    }
    inflate(rest)
}

fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bits = Bits { bytes, at: 0 };
    let mut out = Vec::new();
    loop {
        let last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => stored(&mut bits, &mut out)?,
            1 => block(&mut bits, &mut out, &fixed_literals(), &Code::new(&[5; 30]))?,
            2 => {
                let (literals, distances) = sent_codes(&mut bits)?;
                block(&mut bits, &mut out, &literals, &distances)?;
            }
            _ => return None,
        }
        if last {
            return Some(out);
        }
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    /// The position, in bits.
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Option<usize> {
        let mut value = 0;
        for bit in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << bit;
            self.at += 1;
        }
        Some(value)
    }
}

/// A prefix code: the number of codes of each length, and the symbols in the codes' order.
struct Code {
    counts: [usize; MAX_CODE_BITS + 1],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[usize]) -> Code {
        let mut counts = [0; MAX_CODE_BITS + 1];
        let mut symbols = Vec::new();
        for (bits, count) in counts.iter_mut().enumerate().skip(1) {
            let before = symbols.len();
            symbols.extend((0..lengths.len()).filter(|symbol| lengths[*symbol] == bits));
            *count = symbols.len() - before;
        }
        Code { counts, symbols }
    }

    fn next(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= bits.take(1)?;
            if code < first + count {
                return self.symbols.get(index + code - first).copied();
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

fn fixed_literals() -> Code {
    let lengths: Vec<usize> = (0..288)
        .map(|symbol| match symbol {
            0..144 => 8,
            144..256 => 9,
            256..280 => 7,
            _ => 8,
        })
        .collect();
    Code::new(&lengths)
}

fn stored(bits: &mut Bits<'_>, out: &mut Vec<u8>) -> Option<()> {
    bits.at = bits.at.next_multiple_of(8);
    let length = bits.take(16)?;
    if bits.take(16)? != !length & 0xffff || out.len() + length > MAX_OUTPUT_BYTES {
        return None;
    }
    let start = bits.at / 8;
    out.extend_from_slice(bits.bytes.get(start..start + length)?);
    bits.at += length * 8;
    Some(())
}

fn sent_codes(bits: &mut Bits<'_>) -> Option<(Code, Code)> {
    let (literals, distances, sent) = (bits.take(5)? + 257, bits.take(5)? + 1, bits.take(4)? + 4);
    let mut lengths = [0; 19];
    for at in &LENGTH_ORDER[..sent] {
        lengths[*at] = bits.take(3)?;
    }
    let code = Code::new(&lengths);
    let mut lengths: Vec<usize> = Vec::new();
    while lengths.len() < literals + distances {
        let (value, repeats) = match code.next(bits)? {
            length @ 0..16 => (length, 1),
            16 => (*lengths.last()?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            _ => (0, 11 + bits.take(7)?),
        };
        lengths.extend(std::iter::repeat_n(value, repeats));
    }
    let (literal_lengths, rest) = lengths.split_at(literals);
    Some((Code::new(literal_lengths), Code::new(rest.get(..distances)?)))
}

fn block(bits: &mut Bits<'_>, out: &mut Vec<u8>, literals: &Code, distances: &Code) -> Option<()> {
    const END: usize = 256;
    loop {
        match literals.next(bits)? {
            byte @ 0..END => out.push(byte as u8),
            END => return Some(()),
            symbol => {
                let at = symbol - END - 1;
                let length = LENGTH_BASE.get(at)? + bits.take(*LENGTH_BITS.get(at)?)?;
                let at = distances.next(bits)?;
                let distance = DISTANCE_BASE.get(at)? + bits.take(*DISTANCE_BITS.get(at)?)?;
                let from = out.len().checked_sub(distance)?;
                for at in from..from + length {
                    out.push(out[at]);
                }
            }
        }
        if out.len() > MAX_OUTPUT_BYTES {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf 'CONFIG_HZ=1000\nCONFIG_HZ_1000=y\n' | gzip -9n`
    const PACKED: &[u8] = &[
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0x73, 0xf6, 0xf7, 0x73, 0xf3, 0x74, 0x8f, 0xf7, 0x88, 0xb2, 0x35, 0x34, 0x30, 0x30,
        0xe0, 0x72, 0x86, 0x71, 0xe3, 0x41, 0x5c, 0xdb, 0x4a, 0x2e, 0, 0xe8, 0xd9, 0xf1, 0x09, 0x20, 0, 0, 0,
    ];

    #[test]
    fn what_gzip_packed_is_unpacked() {
        assert_eq!(gunzip(PACKED).unwrap(), b"CONFIG_HZ=1000\nCONFIG_HZ_1000=y\n");
        let stored = [&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3, b'n', 0, 1, 2, 0, 0xfd, 0xff][..], b"ab"].concat();
        assert_eq!(gunzip(&stored).unwrap(), b"ab");
    }

    #[test]
    fn the_running_kernels_configuration_is_read() {
        let Ok(packed) = std::fs::read("/proc/config.gz") else { return };
        let text = String::from_utf8(gunzip(&packed).expect("the kernel's own file")).unwrap();
        assert!(text.lines().any(|line| line == "CONFIG_IKCONFIG_PROC=y"), "{} bytes", text.len());
    }

    #[test]
    fn damage_is_no_panic() {
        for length in 0..PACKED.len() {
            let _ = gunzip(&PACKED[..length]);
            for bit in 0..8 {
                let mut damaged = PACKED.to_vec();
                damaged[length] ^= 1 << bit;
                let _ = gunzip(&damaged);
            }
        }
        assert_eq!(gunzip(b"no gzip at all"), None);
    }
}

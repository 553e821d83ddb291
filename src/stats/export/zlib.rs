//! The zlib container (RFC 1950) around stored blocks (RFC 1951). Every reader accepts them, and the content is small already.

pub fn stored(bytes: &[u8]) -> Vec<u8> {
    const LARGEST: usize = 0xffff;
    // Deflate with a 32 KiB window, no dictionary, the fastest level; the two are a multiple of 31.
    let mut out = vec![0x78, 0x01];
    let blocks = bytes.len().div_ceil(LARGEST).max(1);
    for block in 0..blocks {
        let part = &bytes[block * LARGEST..bytes.len().min((block + 1) * LARGEST)];
        let length = part.len() as u16;
        out.push(u8::from(block + 1 == blocks));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(part);
    }
    out.extend(adler32(bytes).to_be_bytes());
    out
}

fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65521;
    let (low, high) = bytes.iter().fold((1, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % MODULUS;
        (low, (high + low) % MODULUS)
    });
    high << 16 | low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_and_blocks() {
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        assert_eq!(stored(b""), [0x78, 0x01, 1, 0, 0, 0xff, 0xff, 0, 0, 0, 1]);
        let long = stored(&[7; 70_000]);
        assert_eq!(long.len(), 2 + 2 * 5 + 70_000 + 4);
        assert_eq!(long[2..7], [0, 0xff, 0xff, 0, 0]);
        assert_eq!(long[7 + 0xffff], 1, "the last block says so");
    }
}

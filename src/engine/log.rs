//! The log of one instance: what its guest prints and logs goes into a ring, and the runtime's housekeeper hands it to the host. The
//! guest's side never waits: a message for which there is no room is dropped, and counted.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex};

use super::housekeeper::Tend;
use crate::rt::callback;
use crate::rt::spsc::{Consumer, Producer, ring};

/// The longest message in bytes; a longer one is cut, and ends in an ellipsis.
pub const LONGEST: usize = 1000;
/// The size of the ring if the configuration does not say.
pub const DEFAULT_BYTES: u64 = 16 << 10;
/// Levels: for text that a guest prints to stdout, and to stderr, and for reasons to end; the others for runtimes that have them.
pub const PRINTED: u32 = 0;
pub const DEBUG: u32 = 1;
pub const INFO: u32 = 2;
pub const WARNING: u32 = 3;
pub const ERROR: u32 = 4;

/// The host's callback.
#[derive(Clone, Copy, Debug)]
pub struct Sink {
    pub call: unsafe extern "C-unwind" fn(*mut c_void, *mut c_void, u32, *const u8, usize),
    pub user_data: *mut c_void,
}

// SAFETY: the pointer is the host's; the API says on which thread the callback is called with it.
unsafe impl Send for Sink {}
// SAFETY: as for Send.
unsafe impl Sync for Sink {}

/// The end of the message that counts dropped ones.
pub const DROPPED: &str = "messages were dropped: log_bytes is too small";

const PIECE_BYTES: usize = 58;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Follows {
    More,
    Nothing,
    /// The rest of the message was cut.
    Cut,
}

/// A part of a message, in a cache line.
#[derive(Clone, Copy)]
struct Piece {
    level: u32,
    length: u8,
    follows: Follows,
    text: [u8; PIECE_BYTES],
}

const _: () = assert!(size_of::<Option<Piece>>() == 64);

pub struct Log {
    producer: UnsafeCell<Producer<Piece>>,
    pub drain: Arc<Drain>,
}

// SAFETY: one thread at a time has the guest, and writes.
unsafe impl Sync for Log {}

/// The housekeeper's end.
pub struct Drain {
    reader: Mutex<Reader>,
    sink: Sink,
    /// The instance's handle.
    pub handle: AtomicPtr<c_void>,
    /// The number of messages that were dropped; only the guest's thread writes it.
    dropped: AtomicU64,
}

struct Reader {
    consumer: Consumer<Piece>,
    /// The message that has arrived in part.
    text: Vec<u8>,
    /// The number of dropped messages that the host has been told.
    told: u64,
}

impl Log {
    /// Allocates, and writes to, all the memory that it will use.
    pub fn new(bytes: u64, sink: Sink, handle: *mut c_void) -> Log {
        let (producer, consumer) = ring(bytes as usize / size_of::<Piece>());
        let reader = Mutex::new(Reader { consumer, text: Vec::with_capacity(LONGEST + 8), told: 0 });
        let drain = Drain { reader, sink, handle: AtomicPtr::new(handle), dropped: AtomicU64::new(0) };
        Log { producer: UnsafeCell::new(producer), drain: Arc::new(drain) }
    }

    /// Writes one message. Wait-free.
    ///
    /// # Safety
    /// The calling thread has the guest.
    pub unsafe fn write(&self, level: u32, text: &[u8]) {
        // SAFETY: passed on.
        let producer = unsafe { &mut *self.producer.get() };
        let kept = &text[..boundary(text)];
        let pieces = kept.len().div_ceil(PIECE_BYTES).max(1);
        if producer.room() < pieces {
            self.drain.dropped.store(self.drain.dropped.load(Relaxed) + 1, Relaxed);
            return;
        }
        for at in 0..pieces {
            let part = &kept[at * PIECE_BYTES..kept.len().min((at + 1) * PIECE_BYTES)];
            let follows = match () {
                () if at + 1 < pieces => Follows::More,
                () if kept.len() < text.len() => Follows::Cut,
                () => Follows::Nothing,
            };
            let mut piece = Piece { level, length: part.len() as u8, follows, text: [0; PIECE_BYTES] };
            piece.text[..part.len()].copy_from_slice(part);
            producer.push(piece);
        }
    }
}

/// The number of bytes that are kept of a message: no character is cut in two.
fn boundary(text: &[u8]) -> usize {
    let mut end = text.len().min(LONGEST);
    while end > LONGEST - 4 && end < text.len() && text[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    end
}

impl Drain {
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    fn tell(&self, level: u32, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        let handle = self.handle.load(Relaxed);
        // SAFETY: the host vouches for its function.
        callback::returning(&"on_log", || unsafe {
            (self.sink.call)(self.sink.user_data, handle, level, text.as_ptr(), text.len())
        });
    }
}

impl Tend for Drain {
    fn tend(&self) {
        let mut reader = self.reader.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        while let Some(piece) = reader.consumer.pop() {
            reader.text.extend_from_slice(&piece.text[..piece.length as usize]);
            if piece.follows == Follows::More {
                continue;
            }
            if piece.follows == Follows::Cut {
                reader.text.extend_from_slice("…".as_bytes());
            }
            self.tell(piece.level, &reader.text);
            reader.text.clear();
        }
        let dropped = self.dropped();
        if dropped != reader.told {
            self.tell(WARNING, format!("{} {DROPPED}", dropped - reader.told).as_bytes());
            reader.told = dropped;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C-unwind" fn collect(to: *mut c_void, _: *mut c_void, level: u32, text: *const u8, length: usize) {
        // SAFETY: the test's own vector, and a text of this length.
        let (to, text) = unsafe { (&mut *to.cast::<Vec<(u32, String)>>(), std::slice::from_raw_parts(text, length)) };
        to.push((level, String::from_utf8(text.to_vec()).unwrap()));
    }

    fn told(write: impl FnOnce(&Log)) -> Vec<(u32, String)> {
        let mut told = Vec::<(u32, String)>::new();
        let log = Log::new(2048, Sink { call: collect, user_data: (&raw mut told).cast() }, std::ptr::null_mut());
        write(&log);
        log.drain.tend();
        told
    }

    #[test]
    fn messages_come_whole_and_in_order() {
        let long = "x".repeat(200);
        // SAFETY: one thread, here and below.
        let told = told(|log| unsafe {
            log.write(0, b"");
            log.write(2, long.as_bytes());
            log.write(7, b"\xFFbad");
        });
        assert_eq!(told, [(0, String::new()), (2, long), (7, "\u{FFFD}bad".into())]);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let long = "aä".repeat(500);
        // SAFETY: as above.
        let told = told(|log| unsafe { log.write(0, long.as_bytes()) });
        let text = &told[0].1;
        assert!(text.ends_with('…') && long.starts_with(text.trim_end_matches('…')), "{text}");
        assert!((LONGEST - 3..=LONGEST).contains(&(text.len() - '…'.len_utf8())));
    }

    #[test]
    fn what_has_no_room_is_dropped_whole_and_counted() {
        // SAFETY: as above.
        let told = told(|log| unsafe {
            (0..40).for_each(|_| log.write(1, b"m"));
        });
        assert_eq!(told.len(), 33);
        assert_eq!(told[32], (WARNING, "8 messages were dropped: log_bytes is too small".into()));
    }
}

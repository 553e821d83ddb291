//! Services for real-time threads: attachments and their permits, prefaulted memory, an arena for calls that fail, a queue
//! without locks. Knows nothing of WebAssembly.

pub mod arena;
pub mod attach;
pub mod call_word;
pub mod callback;
pub mod cancel;
pub mod exchange;
pub mod fork;
pub mod free_list;
pub mod global_alloc;
pub mod locked_heap;
pub mod mailbox;
pub mod panics;
pub mod permit;
pub mod rcu;
pub mod reserve;
pub mod spsc;
pub mod sync;
pub mod thread;
pub mod traps;
pub mod unwind;

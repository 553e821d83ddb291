//! The effect as a function of the host; `guest.wat` computes the same as a guest.

/// The guest's source.
pub const GUEST: &[u8] = include_bytes!("guest.wat");
/// The largest block: the samples lie in one page of the guest's memory, behind the filters' states.
pub const MOST_FRAMES: u32 = 8192;
const STAGES: usize = 8;

/// The conduct of an effect in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Deed {
    Effect = 0,
    /// An illegal access: a guest traps.
    Trap = 1,
    /// A loop that never ends.
    Loop = 2,
}

impl Deed {
    pub fn from_number(number: u32) -> Deed {
        match number {
            1 => Deed::Trap,
            2 => Deed::Loop,
            _ => Deed::Effect,
        }
    }
}

/// The states of an effect's filters.
#[derive(Clone, Default)]
pub struct Effect([[f32; 2]; STAGES]);

impl Effect {
    /// Processes a block in place. Calls nothing, so that a forked process may run it.
    #[inline(never)]
    pub fn process(&mut self, samples: &mut [f32], deed: Deed) {
        match deed {
            Deed::Effect => {}
            // SAFETY: none: this ends the process, which the caller wants to show.
            Deed::Trap => unsafe { std::ptr::null_mut::<u32>().write_volatile(0) },
            Deed::Loop => loop {
                std::hint::spin_loop();
            },
        }
        for [state_1, state_2] in &mut self.0 {
            let (mut s1, mut s2) = (*state_1, *state_2);
            for sample in &mut *samples {
                let x = *sample;
                let y = 0.25 * x + s1;
                s1 = (0.5 * x - -0.5 * y) + s2;
                s2 = 0.25 * x - 0.5 * y;
                *sample = y;
            }
            (*state_1, *state_2) = (s1, s2);
        }
    }
}

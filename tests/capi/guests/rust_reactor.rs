// Rust's standard library with WASI: strings, a hash map (whose keys are seeded), times, and a panic.
use std::collections::HashMap;

/// Joins the numbers below n, prints them, and returns the sum of their characters, each times its place.
#[no_mangle]
pub extern "C" fn work(n: i32) -> i32 {
    let text = (0..n).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    println!("work {}: {}", n, text);
    // By way of a map, so that its random seed does not matter to the result.
    let mut places: HashMap<u8, Vec<i32>> = HashMap::new();
    text.bytes().zip(1..).for_each(|(byte, place)| places.entry(byte).or_default().push(place));
    places.iter().map(|(byte, places)| i32::from(*byte) * places.iter().sum::<i32>()).sum()
}

/// True if both clocks show a time.
#[no_mangle]
pub extern "C" fn timed() -> i32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = std::time::Instant::now();
    (since.as_secs() > 1577836800 && now.elapsed().as_secs() < 60) as i32
}

#[no_mangle]
pub extern "C" fn complain() {
    eprintln!("an error");
}

#[no_mangle]
pub extern "C" fn fail() {
    panic!("the guest gives up");
}

// A command of Rust's: prints its arguments and environment, and ends with the code in its first argument.
fn main() {
    let words: Vec<String> = std::env::args().collect();
    println!("{} words: {}", words.len(), words.join(" "));
    eprintln!("name: {}", std::env::var("NAME").unwrap_or("none".into()));
    println!("file: {}", std::fs::read("/etc/passwd").map_or("none", |_| "there"));
    let code = words.get(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    std::process::exit(code);
}

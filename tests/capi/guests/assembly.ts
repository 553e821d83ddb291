// AssemblyScript with its own runtime: strings, arrays, a random number, times, the console, and an error that nobody catches.
// Each function that the tests call is the same in the other languages' guests beside this one.

/** Joins the numbers below n, prints them, and returns the sum of their characters, each times its place. */
export function work(n: i32): i32 {
  const numbers = new Array<string>();
  for (let i = n - 1; i >= 0; i--) numbers.push(i.toString());
  const text = numbers.reverse().join(",");
  console.log("work " + n.toString() + ": " + text);
  let sum = 0;
  for (let at = 0; at < text.length; at++) sum += text.charCodeAt(at) * (at + 1);
  return sum;
}

export function random(): f64 {
  return Math.random();
}

/** True if both clocks show a time. */
export function timed(): i32 {
  return i32(performance.now() > 0 && Date.now() > 1577836800000);
}

export function complain(): void {
  console.error("an error");
  console.warn("a warning");
  console.info("an information");
  console.debug("for developers");
}

export function fail(): void {
  throw new Error("the guest gives up");
}

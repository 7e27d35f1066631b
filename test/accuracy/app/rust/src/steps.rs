//! What a request's body tells its service to do.

use bytes::Bytes;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

pub enum Step {
    Wait(u64),
    Calls(Vec<(String, Bytes)>),
}

pub fn steps(mut program: Bytes) -> Result<Vec<Step>, Failure> {
    let mut out: Vec<Step> = Vec::new();
    while !program.is_empty() {
        let end = program.iter().position(|b| *b == b'\n').ok_or("no line")?;
        let line = program.split_to(end + 1);
        let text = std::str::from_utf8(&line)?;
        let word: Vec<&str> = text.split_whitespace().collect();
        if word[0] == "w" {
            out.push(Step::Wait(word[1].parse()?));
            continue;
        }
        let body = program.split_to(word[3].parse()?);
        let call = (format!("http://127.0.0.1:{}{}", word[1], word[2]), body);
        match out.last_mut() {
            Some(Step::Calls(calls)) if word[0] == "p" => calls.push(call),
            _ => out.push(Step::Calls(vec![call])),
        }
    }
    Ok(out)
}

//! throw-away
use gatehouse::wire::fix::dictionary::{Checks, Dictionary};
use gatehouse::wire::fix::*;
use std::path::Path;
fn field<'a>(m: &'a [u8], tag: &str) -> Option<String> {
    let p = format!("{tag}=");
    m.split(|&c| c == 1)
        .find_map(|f| f.strip_prefix(p.as_bytes()))
        .map(|v| String::from_utf8_lossy(v).into_owned())
}
fn build(line: &[u8], fixt: bool) -> Vec<u8> {
    let _ = fixt;
    let text = String::from_utf8_lossy(line).replace("<TIME>", "20261123-10:11:12.123");
    let text = {
        let mut t = text;
        while let (Some(a), Some(b)) = (t.find("<TIME"), t.find('>')) {
            t.replace_range(a..=b, "20261123-10:11:12.123");
        }
        t
    };
    let bytes = text.into_bytes();
    let first = bytes.iter().position(|&c| c == 1).unwrap();
    let (begin, mut rest) = (bytes[..=first].to_vec(), bytes[first + 1..].to_vec());
    if let Some(at) = rest.windows(4).position(|w| w == b"\x0110=") {
        rest.truncate(at + 1);
    }
    if rest.starts_with(b"9=") {
        let at = rest.iter().position(|&c| c == 1).unwrap();
        rest.drain(..=at);
    }
    let mut out = begin;
    out.extend(format!("9={}\x01", rest.len()).bytes());
    out.extend(rest);
    let sum = out.iter().fold(0u8, |s, &c| s.wrapping_add(c));
    out.extend(format!("10={sum:03}\x01").bytes());
    out
}
#[test]
fn accept() {
    let root = Path::new("/tmp/qfsrc/quickfix-1.15.1+dfsg.orig");
    let load = |n: &str| {
        Dictionary::from_quickfix_xml(&std::fs::read_to_string(root.join("spec").join(n)).unwrap())
            .unwrap()
    };
    let fixt = load("FIXT11.xml");
    let (mut count, mut rejects, mut bad) = (0, 0, 0);
    for (dir, file) in [
        ("fix40", "FIX40.xml"),
        ("fix41", "FIX41.xml"),
        ("fix42", "FIX42.xml"),
        ("fix43", "FIX43.xml"),
        ("fix44", "FIX44.xml"),
        ("fix50", "FIX50.xml"),
        ("fix50sp1", "FIX50SP1.xml"),
        ("fix50sp2", "FIX50SP2.xml"),
        ("future", "FIX42.xml"),
    ] {
        let model = load(file);
        let d = if dir.starts_with("fix50") {
            Dictionary::compile(&fixt, Some(&model))
        } else {
            Dictionary::compile(&model, None)
        }
        .unwrap();
        let mut files: Vec<_> = std::fs::read_dir(root.join("test/definitions/server").join(dir))
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.extension().is_some_and(|e| e == "def"))
            .collect();
        files.sort();
        for path in files {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read(&path).unwrap();
            let lines: Vec<&[u8]> = text
                .split(|&c| c == b'\n')
                .map(|l| l.strip_suffix(b"\r").unwrap_or(l))
                .collect();
            for (n, line) in lines.iter().enumerate() {
                if !line.starts_with(b"I8=")
                    && !line.starts_with(b"I1,8=")
                    && !line.starts_with(b"I2,8=")
                {
                    continue;
                }
                let body = &line[line.iter().position(|&c| c == b'8').unwrap()..];
                if body.windows(2).any(|w| w == b"9=") && name.contains("Garbled") {
                    continue;
                }
                let msg = build(body, false);
                let mut scratch = FieldIndex::new();
                let Ok(m) = parse(&msg, &mut scratch) else {
                    println!("{dir}/{name}:{} garbled", n + 1);
                    continue;
                };
                let seq = field(&msg, "34").unwrap_or_default();
                let expected = lines[n + 1..].iter().take(14).find(|l| {
                    l.starts_with(b"E")
                        && field(l, "35").as_deref() == Some("3")
                        && field(l, "45").as_ref() == Some(&seq)
                });
                count += 1;
                let got = d.validate(&m, &Checks::ALL);
                let has_codes = !matches!(dir, "fix40" | "fix41");
                let ours = match got {
                    Ok(()) => "ok".to_owned(),
                    Err(f) => {
                        rejects += 1;
                        let t = f.tag.map(|t| t.to_string());
                        if has_codes {
                            format!(
                                "371={} 373={} {}",
                                t.unwrap_or_default(),
                                f.reason as u8,
                                f.reason.text()
                            )
                        } else {
                            match t {
                                Some(t) => format!("{} ({t})", f.reason.text()),
                                None => f.reason.text().to_owned(),
                            }
                        }
                    }
                };
                let theirs = match expected {
                    None => "ok".to_owned(),
                    Some(e) => {
                        if has_codes {
                            format!(
                                "371={} 373={} {}",
                                field(e, "371").unwrap_or_default(),
                                field(e, "373").unwrap_or_default(),
                                field(e, "58").unwrap_or_default()
                            )
                        } else {
                            field(e, "58").unwrap_or_default()
                        }
                    }
                };
                if ours != theirs {
                    bad += 1;
                    println!(
                        "{dir}/{name}:{}\n  {}\n  ours   {ours}\n  theirs {theirs}",
                        n + 1,
                        String::from_utf8_lossy(&msg).replace('\x01', "|")
                    );
                }
            }
        }
    }
    println!("{count} messages, {rejects} rejects of ours, {bad} differ");
}
#[test]
fn time() {
    let root = Path::new("/tmp/qfsrc/quickfix-1.15.1+dfsg.orig/spec");
    for n in [
        "FIX40", "FIX41", "FIX42", "FIX43", "FIX44", "FIX50", "FIX50SP1", "FIX50SP2",
    ] {
        let a = std::fs::read_to_string(root.join(format!("{n}.xml"))).unwrap();
        let t = std::time::Instant::now();
        let m = Dictionary::from_quickfix_xml(&a).unwrap();
        let t1 = t.elapsed();
        let d = Dictionary::compile(&m, (m.header.is_empty()).then_some(&m));
        println!("{n} {t1:?} {:?} {}", t.elapsed() - t1, d.is_ok());
    }
}

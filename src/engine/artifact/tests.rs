use super::*;
use crate::artifact::settings::{Profile, Settings};
use crate::status::*;

fn sample(change: impl FnOnce(&mut Description)) -> Metadata {
    let mut description = Description {
        target: format!("{}-unknown-{}-gnu", std::env::consts::ARCH, std::env::consts::OS),
        opt_level: "speed".into(),
        settings: Settings::new(Profile::Plugin),
        ..Description::default()
    };
    change(&mut description);
    Metadata {
        description,
        producer: "test".into(),
        imports: vec![],
        exports: vec![Extern { kind: ExternKind::Func, module: String::new(), name: "run".into(), ty: "()->()".into() }],
        memories: vec![MemoryFacts { min_bytes: 65536, max_bytes: None }],
        need: Need { memory_bytes: 65536, record_bytes: 1000, ..Need::default() },
        edits: Edits::new(&[Edit { length: 10, original: 0, verbatim: true }]),
        function_count: 1,
        has_start: false,
        source_bytes: 3,
        ..Metadata::default()
    }
}

fn notes() -> Notes {
    let hidden = vec![Hidden { kind: ExternKind::Global, index: 0, ty: "global mut i32".into() }];
    Notes { hidden, source_sha256: [7; 32], ..Notes::default() }
}

fn part(code: &str, change: impl FnOnce(&mut Description)) -> Part {
    Part { metadata: sample(change), notes: notes(), code: code.into(), more: vec![] }
}

pub(super) fn one_part() -> Vec<u8> {
    let source = Section { kind: kind::SOURCE, required: false, bytes: b"mod".to_vec() };
    write(&[part("code", |_| ())], &[source]).unwrap()
}

fn status(bytes: &[u8]) -> rtw_status_t {
    let opened = match Opened::new(Input::Memory(bytes)) {
        Ok(opened) => opened,
        Err(error) => return error.status,
    };
    opened.entries.iter().find_map(|entry| opened.section(entry).err()).map_or(RTW_OK, |error| error.status)
}

#[test]
fn what_is_written_is_read() {
    let bytes = one_part();
    let artifact = read(&bytes).unwrap();
    assert_eq!(artifact.metadata, sample(|_| ()));
    assert_eq!((&*artifact.code, artifact.part), (&b"code"[..], 1));
    assert_eq!(artifact.opened.notes(1).unwrap(), notes());
    let source = artifact.opened.find(kind::SOURCE, 0).unwrap();
    assert_eq!(&*artifact.opened.section(source).unwrap(), b"mod");
    assert_eq!(status(&bytes), RTW_OK);
    check_host(&artifact.metadata).unwrap();
}

#[test]
fn every_prefix_is_refused() {
    let bytes = one_part();
    for length in 0..bytes.len() {
        let expected = if length == 0 { RTW_ERR_NOT_ARTIFACT } else { RTW_ERR_TRUNCATED };
        assert_eq!(status(&bytes[..length]), expected, "prefix of {length}");
    }
}

#[test]
fn every_changed_bit_is_refused() {
    let bytes = one_part();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert_ne!(status(&changed), RTW_OK, "byte {at} bit {bit}");
        }
    }
}

#[test]
fn other_files_are_named() {
    assert_eq!(status(b"\0asm\x01\0\0\0"), RTW_ERR_PLAIN_WASM);
    assert_eq!(status(b"\x7fELF and so on"), RTW_ERR_NOT_ARTIFACT);
    assert_eq!(status(b"(module)"), RTW_ERR_NOT_ARTIFACT);
    let mut longer = one_part();
    longer.push(0);
    assert_eq!(status(&longer), RTW_ERR_ARTIFACT);
}

#[test]
fn sections_of_later_kinds_are_skipped_or_refused() {
    let later = |required| Section { kind: 999, required, bytes: b"later".to_vec() };
    let with = |in_part: Option<bool>, in_file: Option<bool>| {
        let more = in_part.map(later).into_iter().collect();
        let parts = [Part { more, ..part("new", |d| d.cpu_features = vec!["has_new".into()]) }, part("old", |_| ())];
        let bytes = write(&parts, &in_file.map(later).into_iter().collect::<Vec<_>>()).unwrap();
        read(&bytes).map(|artifact| artifact.part).map_err(|error| error.status)
    };
    assert_eq!(with(None, Some(false)), Ok(2));
    assert_eq!(with(None, Some(true)), Err(RTW_ERR_ENVELOPE_VERSION));
    assert_eq!(with(Some(false), None), Ok(2));
    assert_eq!(with(Some(true), None), Ok(2), "the other part can be used");
    let alone = [Part { more: vec![later(true)], ..part("new", |_| ()) }];
    let bytes = write(&alone, &[]).unwrap();
    let (index, refusal) = Opened::new(Input::Memory(&bytes)).unwrap().choose(&Limits::default());
    assert_eq!((index, refusal.unwrap_err().status), (0, RTW_ERR_ENVELOPE_VERSION));
}

#[test]
fn the_best_part_that_runs_is_chosen() {
    let native = cpu_features_here();
    let level = |count: usize| native[..count].to_vec();
    let chosen = |parts: &[Part], limits: Limits| {
        let bytes = write(parts, &[]).unwrap();
        let (index, verdict) = Opened::new(Input::Memory(&bytes)).unwrap().choose(&limits);
        (index + 1, verdict.map_or_else(|error| error.status, |()| RTW_OK))
    };
    let elsewhere = |d: &mut Description| d.target = "riscv64-unknown-linux-gnu".into();
    let standalone = |d: &mut Description| d.settings.profile = Profile::Standalone;
    let any = Limits::default();
    let parts = [
        part("1", elsewhere),
        part("2", |_| ()),
        part("3", |d| d.cpu_features = level(2)),
        part("4", |d| d.cpu_features = level(1)),
        part("5", |d| d.cpu_features = vec!["has_a".into(), "has_b".into(), "has_c".into()]),
    ];
    assert_eq!(chosen(&parts, any), (3, RTW_OK), "most CPU features of those that are here");
    let both = [part("1", |d| d.cpu_features = level(2)), part("2", standalone)];
    assert_eq!(chosen(&both, any), (2, RTW_OK), "standalone before plugin");
    assert_eq!(chosen(&both, Limits { no_handlers: true, ..any }), (1, RTW_OK));
    assert_eq!(chosen(&both, Limits { profile: Some(Profile::Plugin), ..any }), (1, RTW_OK));
    let same =
        [part("1", |_| ()), part("2", |d| d.settings.deterministic = true), part("3", |d| d.settings.deterministic = true)];
    assert_eq!(chosen(&same, any), (2, RTW_OK), "the deterministic one, and of those the first");
    assert_eq!(
        chosen(&[part("1", elsewhere), part("2", standalone)], Limits { no_handlers: true, ..any }),
        (2, RTW_ERR_SIGNALS)
    );
    assert_eq!(chosen(&[part("1", elsewhere), part("2", |d| d.release = 1)], any), (2, RTW_ERR_COMPILER));
    let newer = Limits { min_release: release::OWN + 1, ..any };
    assert_eq!(chosen(&[part("1", |_| ())], newer), (1, RTW_ERR_COMPILER));
}

fn cpu_features_here() -> Vec<String> {
    let native = crate::artifact::cpu_features::native();
    assert!(native.len() >= 2, "this machine has too few features for the test");
    native
}

#[test]
fn damage_elsewhere_does_not_concern_a_part() {
    let bytes = write(&[part("one", |_| ()), part("two", |d| d.settings.deterministic = true)], &[]).unwrap();
    let mut changed = bytes.clone();
    let place = Opened::new(Input::Memory(&bytes)).unwrap().parts[0].code.offset as usize;
    changed[place] ^= 1;
    assert_eq!(&*read(&changed).unwrap().code, b"two");
    assert_eq!(status(&changed), RTW_ERR_DIGEST, "found by who looks at all sections");
}

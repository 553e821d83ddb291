use super::*;
use rtwasm::artifact::guest::flag;

const FUNCS: &str = r#"
    (memory (export "memory") 1)
    (func (export "rtw_init") (param f64 i32) (result i32) i32.const 0)
    (func (export "rtw_io") (result i32) i32.const 0)
    (func (export "rtw_process") (param i32))
    (func (export "rtw_reset"))"#;

fn described(text: &str) -> Result<Option<Guest>> {
    let module = wat::parse_str(text).unwrap();
    let checked = crate::validate::module(&module)?;
    let facts = crate::facts::gather(&module, &checked)?;
    of(&module, &facts, &mut |_| Ok(br#"{"name": "by a call"}"#.to_vec()))
}

fn own(json: &str) -> Result<Guest> {
    let json = json.replace('\n', " ").replace('"', "\\\"");
    described(&format!("(module {FUNCS} (@custom \"rtw_guest\" \"{json}\"))")).map(Option::unwrap)
}

#[track_caller]
fn refused(json: &str, part: &str) {
    let error = own(json).unwrap_err();
    assert!(error.message.contains(part), "{part:?} is not in {error}");
}

#[test]
fn a_description_is_found_in_three_places() {
    assert_eq!(own(r#"{"name": "Gain"}"#).unwrap().name, "Gain");
    let behind = |code: &str| {
        described(&format!(
            r#"(module {FUNCS} (data (i32.const 16) "{{\"name\": \"static\"}}\00") (func (export "rtw_describe") (result i32) {code}))"#
        ))
    };
    assert_eq!(behind("i32.const 16").unwrap().unwrap().name, "static");
    assert_eq!(behind("i32.const 8 i32.const 8 i32.add").unwrap().unwrap().name, "by a call");
    assert_eq!(described("(module)").unwrap(), None);
    let error = described(r#"(module (func (export "rtw_describe")))"#).unwrap_err();
    assert!(error.message.contains("rtw_describe has the type ()->()"), "{error}");
}

#[test]
fn what_a_description_says_is_kept() {
    let guest = own(r#"{"name": "X", "inputs": [{"name": "Main", "channels": 2}, {"name": "Key"}], "outputs": 2, "events": true,
        "state": true, "latency": 64, "meta": {"author": "me"}, "parameters": [{"id": "mode", "name": "Mode", "unit": "dB", "group": "A/B",
        "min": -1, "max": 1, "default": 0.5, "step": 0.1, "labels": ["a", "b"], "flags": ["integer", "not-automatable"]}],
        "meters": [{"id": "level"}]}"#)
    .unwrap();
    assert_eq!((guest.channels(false), guest.channels(true), guest.latency_frames), (3, 2, 64));
    assert_eq!(guest.flags, flag::EVENTS | flag::STATE);
    let param = &guest.params[0];
    assert_eq!((param.flags, param.min, param.default), (param_flag::INTEGER | param_flag::NOT_AUTOMATABLE, -1.0, 0.5));
    assert_eq!((param.labels.as_str(), guest.meta.as_str(), guest.meters[0].name.as_str()), ("a\nb", "author=me", "level"));
}

#[test]
fn mistakes_are_named() {
    refused(r#"{"name": "X", "input": 2}"#, "unknown field `input`, expected one of `name`, `inputs`");
    refused("{", "EOF");
    refused(r#"{"inputs": 2}"#, "missing field `name`");
    refused(r#"{"name": "X", "inputs": 300}"#, "1 to 256 channels");
    refused(r#"{"name": "X", "inputs": "two"}"#, "expected a number of channels, or a list of ports");
    refused(r#"{"name": "X", "midi": true}"#, "\"midi\": true needs \"events\": true");
    assert_eq!(own(r#"{"name": "X", "midi": true, "events": true}"#).unwrap().flags, flag::MIDI | flag::EVENTS);
    let param = |text: &str| format!(r#"{{"name": "X", "parameters": [{text}]}}"#);
    refused(&param(r#"{"id": "a", "min": 2}"#), "\"a\" has the range 2 to 1");
    refused(&param(r#"{"id": "a", "default": 7}"#), "\"a\" has the default 7, outside its range of 0 to 1");
    refused(&param(r#"{"id": "a"}, {"id": "a"}"#), "\"a\" is empty, or not the only one");
    refused(&param(r#"{"id": "a", "flags": ["loud"]}"#), "unknown variant `loud`, expected one of `integer`");
    refused(&param(r#"{"id": "a", "flags": ["logarithmic"]}"#), "logarithmic");
}

#[test]
fn the_interface_has_to_be_there() {
    let module = |funcs: &str| described(&format!("(module {funcs} (@custom \"rtw_guest\" \"{{\\\"name\\\": \\\"X\\\"}}\"))"));
    let error = module("").unwrap_err();
    assert!(
        error.status == RTW_ERR_NO_EXPORT && error.message.contains("does not export rtw_init (f64,i32)->(i32)"),
        "{error}"
    );
    let error = module(&FUNCS.replace("f64 i32", "f32 i32")).unwrap_err();
    assert!(error.status == RTW_ERR_SIGNATURE && error.message.contains("rtw_init has the type (f32,i32)->(i32)"), "{error}");
    let error = module(&FUNCS.replace("(export \"memory\")", "")).unwrap_err();
    assert!(error.message.contains("does not export its memory"), "{error}");
}

#[test]
fn programs_of_faust_are_recognised() {
    let json = r#"{"name": "echo", "size": 64, "inputs": 1, "outputs": 2, "meta": [{"author": "A"}, {"a.lib/name": "L"},
        {"options": "[midi:on][nvoices:12]"}], "ui": [{"type": "vgroup", "label": "echo", "items": [
        {"type": "hgroup", "label": "0x00", "items": [{"type": "hslider", "label": "Gain", "address": "/echo/Gain", "index": 8,
        "meta": [{"unit": "dB"}, {"1": ""}, {"scale": "log"}, {"midi": "ctrl 7"}], "init": 0, "min": -70, "max": 4, "step": 0.1}]},
        {"type": "button", "label": "gate", "address": "/echo/gate", "index": 12},
        {"type": "nentry", "label": "Wave", "address": "/echo/Wave", "index": 20, "init": 1, "min": 0, "max": 1, "step": 1,
         "meta": [{"style": "menu{'Noise':0;'Saw':1}"}]},
        {"type": "vbargraph", "label": "level", "address": "/echo/level", "index": 16, "min": -60, "max": 0}]}]}"#;
    let module = |precision: &str, json: &str| {
        let json = json.replace('\n', " ").replace('"', "\\\"");
        described(&format!(
            r#"(module (memory (export "memory") 1) (data (i32.const 0) "{json}")
            (func (export "init") (param i32 i32)) (func (export "compute") (param i32 i32 i32 i32))
            (func (export "instanceClear") (param i32)) (func (export "getNumInputs") (param i32) (result i32) i32.const 1)
            (func (export "getNumOutputs") (param i32) (result i32) i32.const 2)
            (func (export "setParamValue") (param i32 i32 {precision})))"#
        ))
    };
    let guest = module("f32", json).unwrap().unwrap();
    assert_eq!((guest.kind, guest.struct_bytes, guest.voices, guest.flags), (kind::FAUST, 64, 12, flag::MIDI));
    assert_eq!((guest.channels(false), guest.channels(true)), (1, 2));
    assert_eq!(guest.meta, "author=A\noptions=[midi:on][nvoices:12]");
    let gain = &guest.params[0];
    assert_eq!((gain.id.as_str(), gain.group.as_str(), gain.unit.as_str()), ("/echo/Gain", "echo", "dB"));
    assert_eq!((gain.place, gain.min, gain.default, gain.flags), (8, -70.0, 0.0, param_flag::LOGARITHMIC));
    assert_eq!(gain.meta, "midi=ctrl 7");
    assert_eq!((guest.params[1].flags, guest.params[1].max), (param_flag::TRIGGER, 1.0));
    assert_eq!(guest.params[2].labels, "Noise\nSaw");
    assert_eq!((guest.meters[0].place, guest.meters[0].min), (16, -60.0));
    assert_eq!(module("f64", json).unwrap().unwrap().kind, kind::FAUST_DOUBLE);
    assert_eq!(module("f32", "no JSON").unwrap(), None);
    assert!(module("f32", "{no JSON").unwrap_err().message.contains("Faust's JSON"));
    let file = json.replace("vbargraph", "soundfile");
    assert!(module("f32", &file).unwrap_err().message.contains("sound file"));
}

"""What a binding declares, held against bindings/api.json and the libraries: `declared.py API LIBRARY COMPILER LANGUAGE FOLDER`. FOLDER
has the declarations of LANGUAGE, `python` or `lua`. Prints what differs.

Compared are every function (the library exports it; in Python also the number of its arguments), every struct (its size, each field's
offset, in Python also the field's size) and every constant.
"""
import ctypes
import importlib.util
import json
import subprocess
import sys
from pathlib import Path


def expected(api, sees_all):
    """Lines `function NAME [ARGUMENTS]`, `struct NAME SIZE`, `field STRUCT.NAME OFFSET [SIZE]`, `constant NAME VALUE`."""
    for function in api["functions"]:
        yield f"function {function['name']}" + f" {len(function['arguments'])}" * sees_all
    for struct in api["structs"]:
        yield f"struct {struct['name']} {struct['size']}"
        for field in struct["fields"]:
            yield f"field {struct['name']}.{field['name']} {field['offset']}" + f" {field['size']}" * sees_all
    for constant in api["constants"]:
        yield f"constant {constant['name']} {constant['value']}"
    for enum in api["enums"]:
        for value in enum["values"]:
            yield f"constant {enum['name'] + '.' + value['short'] if sees_all else value['name']} {value['value']}"


def of_python(api, libraries, folder):
    # The declarations alone: the package itself would look for the library.
    spec = importlib.util.spec_from_file_location("_api", f"{folder}/rtwasm/_api.py")
    _api = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(_api)
    loaded = {name: ctypes.CDLL(path) for name, path in libraries.items()}
    for library, functions in _api.FUNCTIONS.items():
        for name, (_, arguments) in functions.items():
            if hasattr(loaded[library], name):
                yield f"function {name} {len(arguments)}"
    for name, found in vars(_api).items():
        if isinstance(found, type) and issubclass(found, (ctypes.Structure, ctypes.Union)) and name.startswith("rtw_"):
            yield f"struct {name} {ctypes.sizeof(found)}"
            for field, *_ in found._fields_:
                yield f"field {name}.{field} {getattr(found, field).offset} {getattr(found, field).size}"
        elif isinstance(found, type) and issubclass(found, int) and found.__module__ == _api.__name__:
            yield from (f"constant {name}.{member} {int(value)}" for member, value in found.__members__.items())
        elif name.startswith("RTW_"):
            yield f"constant {name} {found}"


def of_lua(api, libraries, folder):
    names = [f"function {function['name']} {function['library']}" for function in api["functions"]]
    for struct in api["structs"]:
        names += [f"struct {struct['name']}", *(f"field {struct['name']} {field['name']}" for field in struct["fields"])]
    command = ["luajit", str(Path(__file__).with_suffix(".lua")), libraries["rtwasm"], libraries["rtwasm_compiler"]]
    return subprocess.run(command, input="\n".join(names), env={"LUA_PATH": f"{folder}/?.lua", "PATH": "/usr/bin:/bin"}, check=True,
                          capture_output=True, text=True).stdout.splitlines()


def main():
    api_file, library, compiler, language, folder = sys.argv[1:]
    api = json.loads(Path(api_file).read_text())
    libraries = {"rtwasm": library, "rtwasm_compiler": compiler}
    wanted = set(expected(api, language == "python"))
    found = set({"python": of_python, "lua": of_lua}[language](api, libraries, folder))
    wrong = [f"missing: {line}" for line in sorted(wanted - found)] + [f"not in the API: {line}" for line in sorted(found - wanted)]
    print("\n".join(wrong) or f"{len(wanted)} lines are as they should be")
    return 1 if wrong else 0


sys.exit(main())

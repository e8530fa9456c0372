/* Header lines as the text of a JSON object, in one pass: the compiled part of showing.py, which says what for. It does
 * what nearly all blocks need and leaves the others alone. Nothing here reads behind the end of a buffer, whatever it
 * contains.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

/* Every line is compared with all before it. */
#define MAX_LINES 64
/* A line becomes at most twice as long where every byte is escaped, and this much for quotes and a redacted value. */
#define LINE_EXTRA 16
/* Texts nearly always fit; larger ones take memory of their own. */
#define TEXT_ON_STACK 8192

static const char REDACTED[] = "\"REDACTED\"";

typedef struct {
    const char *text;
    Py_ssize_t size;
} Name;

/* Lower case for the bytes that a name may have, 0 for all others; and "_" as "-", as secret names are compared. */
static unsigned char LOWER[256], FOLD[256];
/* What stands behind the backslash for a byte that is escaped; 0 for bytes that are not, UNUSUAL for what is left. */
#define UNUSUAL 1
static unsigned char ESCAPE[256];

static void fill_tables(void) {
    for (int byte = 0; byte < 256; byte++) {
        int is_upper = byte >= 'A' && byte <= 'Z';
        int is_name = byte > 0x20 && byte < 0x7f && byte != '"' && byte != '\\' && byte != ':';
        LOWER[byte] = (unsigned char)(!is_name ? 0 : is_upper ? byte | 0x20 : byte);
        FOLD[byte] = (unsigned char)(byte == '_' ? '-' : LOWER[byte]);
        ESCAPE[byte] = byte < 0x20 ? UNUSUAL : 0;
    }
    ESCAPE['\t'] = 't';
    ESCAPE['"'] = '"';
    ESCAPE['\\'] = '\\';
}

static int is_known(const Name *names, Py_ssize_t count, const char *text, Py_ssize_t size) {
    for (Py_ssize_t at = 0; at < count; at++) {
        if (names[at].size == size && memcmp(names[at].text, text, (size_t)size) == 0) {
            return 1;
        }
    }
    return 0;
}

static int is_secret(PyObject *secrets, const char *text, Py_ssize_t size) {
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(secrets); at++) {
        PyObject *secret = PyTuple_GET_ITEM(secrets, at);
        if (!PyBytes_Check(secret) || PyBytes_GET_SIZE(secret) != size) {
            continue;
        }
        const char *wanted = PyBytes_AS_STRING(secret);
        Py_ssize_t matched = 0;
        while (matched < size && FOLD[(unsigned char)text[matched]] == (unsigned char)wanted[matched]) {
            matched++;
        }
        if (matched == size) {
            return 1;
        }
    }
    return 0;
}

/* Tell whether nothing is to be escaped; without a way out of the loop, so that it takes many bytes at once. */
static int is_plain(const char *at, const char *end) {
    int found = 0;
    for (; at < end; at++) {
        unsigned char byte = (unsigned char)*at;
        found |= (byte < 0x20) | (byte == '"') | (byte == '\\');
    }
    return !found;
}

static char *put_escaped(char *out, const char *at, const char *end) {
    for (; at < end; at++) {
        unsigned char escaped = ESCAPE[(unsigned char)*at];
        if (escaped == UNUSUAL) {
            return NULL;
        }
        if (escaped) {
            *out++ = '\\';
            *out++ = (char)escaped;
        } else {
            *out++ = *at;
        }
    }
    return out;
}

/* Write the lines as members of an object; return the end of what was written, or NULL for an unusual block. */
static char *put_members(char *out, const char *at, const char *end, PyObject *secrets) {
    Name names[MAX_LINES];
    Py_ssize_t count = 0;
    while (at < end) {
        if (end - at < 2 || at[0] != '\r' || at[1] != '\n' || count == MAX_LINES) {
            return NULL;
        }
        at += 2;
        if (count) {
            *out++ = ',';
        }
        *out++ = '"';
        char *name = out;
        while (at < end && LOWER[(unsigned char)*at]) {
            *out++ = (char)LOWER[(unsigned char)*at++];
        }
        Py_ssize_t size = out - name;
        if (at == end || *at != ':' || size == 0 || is_known(names, count, name, size)) {
            return NULL;
        }
        names[count].text = name;
        names[count++].size = size;
        *out++ = '"';
        *out++ = ':';
        at++;
        const char *next = memchr(at, '\r', (size_t)(end - at));
        next = next == NULL ? end : next;
        if (is_secret(secrets, name, size)) {
            memcpy(out, REDACTED, sizeof(REDACTED) - 1);
            out += sizeof(REDACTED) - 1;
            at = next;
            continue;
        }
        const char *stop = next;
        while (at < stop && (*at == ' ' || *at == '\t')) {
            at++;
        }
        while (stop > at && (stop[-1] == ' ' || stop[-1] == '\t')) {
            stop--;
        }
        *out++ = '"';
        if (is_plain(at, stop)) {
            memcpy(out, at, (size_t)(stop - at));
            out += stop - at;
        } else if ((out = put_escaped(out, at, stop)) == NULL) {
            return NULL;
        }
        *out++ = '"';
        at = next;
    }
    return out;
}

static PyObject *object(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    if (count != 2 || !PyBytes_Check(arguments[0]) || !PyTuple_Check(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "object(block: bytes, secrets: tuple[bytes, ...])");
        return NULL;
    }
    const char *block = PyBytes_AS_STRING(arguments[0]);
    Py_ssize_t size = PyBytes_GET_SIZE(arguments[0]);
    Py_ssize_t limit = 2 * size + MAX_LINES * LINE_EXTRA + 2;
    char on_stack[TEXT_ON_STACK];
    char *text = limit <= TEXT_ON_STACK ? on_stack : PyMem_Malloc((size_t)limit);
    if (text == NULL) {
        return PyErr_NoMemory();
    }
    text[0] = '{';
    char *end = put_members(text + 1, block, block + size, arguments[1]);
    PyObject *result;
    if (end == NULL) {
        result = Py_NewRef(Py_None);
    } else {
        *end++ = '}';
        result = PyUnicode_DecodeLatin1(text, end - text, NULL);
    }
    if (text != on_stack) {
        PyMem_Free(text);
    }
    return result;
}

static PyObject *quoted(PyObject *module, PyObject *text) {
    if (!PyUnicode_Check(text) || !PyUnicode_IS_COMPACT_ASCII(text)) {
        Py_RETURN_NONE;
    }
    const Py_UCS1 *from = PyUnicode_1BYTE_DATA(text);
    Py_ssize_t size = PyUnicode_GET_LENGTH(text);
    if (!is_plain((const char *)from, (const char *)from + size)) {
        Py_RETURN_NONE;
    }
    PyObject *result = PyUnicode_New(size + 2, 127);
    if (result == NULL) {
        return NULL;
    }
    Py_UCS1 *out = PyUnicode_1BYTE_DATA(result);
    out[0] = out[size + 1] = '"';
    memcpy(out + 1, from, (size_t)size);
    return result;
}

static PyMethodDef METHODS[] = {
    {"object", (PyCFunction)(void (*)(void))object, METH_FASTCALL,
     "Return header lines as a JSON object; None when a name comes twice, or for anything unusual."},
    {"quoted", quoted, METH_O, "Return a text as JSON; None when it is not ASCII, or holds what is escaped."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_showing", "The compiled part of showing.py.", 0, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__showing(void) {
    fill_tables();
    return PyModule_Create(&MODULE);
}

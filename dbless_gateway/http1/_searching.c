/* Searches in a block of header lines without folding it first: the compiled part of headers.py, which says what a
 * block is. Nothing here reads behind the end of a buffer, whatever it contains.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

/* Header names are compared in lower case, "_" as "-"; see headers.FOLD. */
static unsigned char FOLD[256];

static void fill_fold(void) {
    for (int byte = 0; byte < 256; byte++) {
        FOLD[byte] = (unsigned char)(byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte == '_' ? '-' : byte);
    }
}

static Py_ssize_t find(PyObject *block, PyObject *needle, Py_ssize_t start) {
    const unsigned char *begin = (const unsigned char *)PyBytes_AS_STRING(block);
    const unsigned char *end = begin + PyBytes_GET_SIZE(block);
    const unsigned char *wanted = (const unsigned char *)PyBytes_AS_STRING(needle);
    Py_ssize_t size = PyBytes_GET_SIZE(needle);
    if (start < 0 || start > end - begin || size < 3) {
        return -1;
    }
    const unsigned char *at = begin + start;
    while ((at = memchr(at, '\r', (size_t)(end - at))) != NULL && end - at >= size) {
        Py_ssize_t matched = 1;
        while (matched < size && FOLD[at[matched]] == wanted[matched]) {
            matched++;
        }
        if (matched == size) {
            return at - begin;
        }
        at++;
    }
    return -1;
}

static PyObject *find_line(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    if (count != 3 || !PyBytes_Check(arguments[0]) || !PyBytes_Check(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "find_line(block: bytes, needle: bytes, start: int)");
        return NULL;
    }
    Py_ssize_t start = PyLong_AsSsize_t(arguments[2]);
    if (start == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyLong_FromSsize_t(find(arguments[0], arguments[1], start));
}

/* Where a line of any of these names begins, or -1: one pass over the block, however many names there are. */
static Py_ssize_t find_first_of(PyObject *block, PyObject *needles) {
    const unsigned char *begin = (const unsigned char *)PyBytes_AS_STRING(block), *at = begin;
    const unsigned char *end = begin + PyBytes_GET_SIZE(block);
    Py_ssize_t count = PyTuple_GET_SIZE(needles);
    while ((at = memchr(at, '\r', (size_t)(end - at))) != NULL) {
        for (Py_ssize_t number = 0; number < count; number++) {
            PyObject *needle = PyTuple_GET_ITEM(needles, number);
            const unsigned char *wanted = (const unsigned char *)PyBytes_AS_STRING(needle);
            Py_ssize_t size = PyBytes_GET_SIZE(needle), matched = 1;
            if (size < 3 || end - at < size || FOLD[at[2]] != wanted[2]) {
                continue;
            }
            while (matched < size && FOLD[at[matched]] == wanted[matched]) {
                matched++;
            }
            if (matched == size) {
                return at - begin;
            }
        }
        at++;
    }
    return -1;
}

static int is_tuple_of_bytes(PyObject *value) {
    if (!PyTuple_Check(value)) {
        return 0;
    }
    for (Py_ssize_t number = 0; number < PyTuple_GET_SIZE(value); number++) {
        if (!PyBytes_Check(PyTuple_GET_ITEM(value, number))) {
            return 0;
        }
    }
    return 1;
}

static PyObject *has_line(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    if (count != 2 || !PyBytes_Check(arguments[0]) || !is_tuple_of_bytes(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "has_line(block: bytes, needles: tuple[bytes, ...])");
        return NULL;
    }
    return PyBool_FromLong(find_first_of(arguments[0], arguments[1]) >= 0);
}

static int is_blank(char byte) { return byte == ' ' || byte == '\t'; }

/* The value that begins at "start", without the blanks around it; "*end" becomes where its line ends. */
static PyObject *value_at(PyObject *block, Py_ssize_t start, Py_ssize_t *end) {
    const char *begin = PyBytes_AS_STRING(block), *first = begin + start, *last = begin + PyBytes_GET_SIZE(block);
    for (const char *at = first; (at = memchr(at, '\r', (size_t)(last - at))) != NULL; at++) {
        if (at + 1 < last && at[1] == '\n') {
            last = at;
            break;
        }
    }
    *end = last - begin;
    while (first < last && is_blank(*first)) {
        first++;
    }
    while (first < last && is_blank(last[-1])) {
        last--;
    }
    return PyBytes_FromStringAndSize(first, last - first);
}

static PyObject *first_value(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    if (count != 2 || !PyBytes_Check(arguments[0]) || !PyBytes_Check(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "first_value(block: bytes, needle: bytes)");
        return NULL;
    }
    Py_ssize_t at = find(arguments[0], arguments[1], 0), end;
    if (at < 0) {
        Py_RETURN_NONE;
    }
    return value_at(arguments[0], at + PyBytes_GET_SIZE(arguments[1]), &end);
}

static PyObject *all_values(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    if (count != 2 || !PyBytes_Check(arguments[0]) || !PyBytes_Check(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "all_values(block: bytes, needle: bytes)");
        return NULL;
    }
    PyObject *block = arguments[0], *needle = arguments[1], *values = PyList_New(0);
    Py_ssize_t end = 0, at;
    while (values != NULL && (at = find(block, needle, end)) >= 0) {
        PyObject *value = value_at(block, at + PyBytes_GET_SIZE(needle), &end);
        if (value == NULL || PyList_Append(values, value) < 0) {
            Py_CLEAR(values);
        }
        Py_XDECREF(value);
    }
    return values;
}

/* Copy a text of Latin-1 characters, none of which breaks a line; return its end in "out" or NULL. */
static char *put_value(char *out, PyObject *value) {
    const Py_UCS1 *text = PyUnicode_1BYTE_DATA(value);
    Py_ssize_t size = PyUnicode_GET_LENGTH(value);
    for (Py_ssize_t at = 0; at < size; at++) {
        if (text[at] == '\r' || text[at] == '\n' || text[at] == 0) {
            return NULL;
        }
        out[at] = (char)text[at];
    }
    return out + size;
}

static PyObject *with_lines(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    if (count != 4 || !PyBytes_Check(arguments[0]) || !PyTuple_Check(arguments[1]) || !PyTuple_Check(arguments[2]) ||
        !PyTuple_Check(arguments[3])) {
        PyErr_SetString(PyExc_TypeError, "with_lines(block: bytes, needles: tuple, starts: tuple, values: tuple)");
        return NULL;
    }
    PyObject *block = arguments[0], *needles = arguments[1], *starts = arguments[2], *values = arguments[3];
    Py_ssize_t lines = PyTuple_GET_SIZE(starts), size = PyBytes_GET_SIZE(block);
    if (PyTuple_GET_SIZE(needles) != lines || PyTuple_GET_SIZE(values) != lines || !is_tuple_of_bytes(needles) ||
        find_first_of(block, needles) >= 0) {
        Py_RETURN_NONE;
    }
    for (Py_ssize_t line = 0; line < lines; line++) {
        PyObject *start = PyTuple_GET_ITEM(starts, line), *value = PyTuple_GET_ITEM(values, line);
        if (!PyBytes_Check(start) || !PyUnicode_Check(value) || PyUnicode_KIND(value) != PyUnicode_1BYTE_KIND) {
            Py_RETURN_NONE;
        }
        size += PyBytes_GET_SIZE(start) + PyUnicode_GET_LENGTH(value);
    }
    PyObject *result = PyBytes_FromStringAndSize(NULL, size);
    if (result == NULL) {
        return NULL;
    }
    char *out = PyBytes_AS_STRING(result);
    memcpy(out, PyBytes_AS_STRING(block), (size_t)PyBytes_GET_SIZE(block));
    out += PyBytes_GET_SIZE(block);
    for (Py_ssize_t line = 0; line < lines; line++) {
        PyObject *start = PyTuple_GET_ITEM(starts, line);
        memcpy(out, PyBytes_AS_STRING(start), (size_t)PyBytes_GET_SIZE(start));
        out = put_value(out + PyBytes_GET_SIZE(start), PyTuple_GET_ITEM(values, line));
        if (out == NULL) {
            Py_DECREF(result);
            Py_RETURN_NONE;
        }
    }
    return result;
}

static PyMethodDef METHODS[] = {
    {"find_line", (PyCFunction)(void (*)(void))find_line, METH_FASTCALL,
     "Return where a line of that name begins, from start on, or -1."},
    {"has_line", (PyCFunction)(void (*)(void))has_line, METH_FASTCALL,
     "Tell whether there is a line of any of these names."},
    {"first_value", (PyCFunction)(void (*)(void))first_value, METH_FASTCALL,
     "Return the value of the first line of that name, or None."},
    {"all_values", (PyCFunction)(void (*)(void))all_values, METH_FASTCALL,
     "Return the value of every line of that name."},
    {"with_lines", (PyCFunction)(void (*)(void))with_lines, METH_FASTCALL,
     "Return the block with these lines behind it; None when one is there already, or a value cannot be sent."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_searching", "The compiled part of headers.py.", 0, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__searching(void) {
    fill_fold();
    return PyModule_Create(&MODULE);
}

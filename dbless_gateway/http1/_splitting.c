/* A head taken apart in one pass: the compiled twin of splitting.py, which says what and why.
 *
 * Both functions take received bytes and return a tuple, or None while the head's empty line has not come. They look
 * at every byte of the head about once, allocate the results and nothing else, and never read behind the end of the
 * buffer, whatever it contains.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

typedef struct {
    const char *text;
    Py_ssize_t size;
} Name;

#define NAME(text) {text, sizeof(text) - 1}

static const Name REQUEST_NAMES[] = {
    NAME("connection"), NAME("content-length"), NAME("expect"), NAME("host"), NAME("keep-alive"), NAME("proxy"),
    NAME("proxy-connection"), NAME("te"), NAME("trailer"), NAME("transfer-encoding"), NAME("upgrade"), NAME("via"),
    NAME("x-anonymous-consumer"), NAME("x-consumer-custom-id"), NAME("x-consumer-id"), NAME("x-consumer-username"),
    NAME("x-credential-identifier"), NAME("x-forwarded-for"), NAME("x-forwarded-host"), NAME("x-forwarded-path"),
    NAME("x-forwarded-port"), NAME("x-forwarded-prefix"), NAME("x-forwarded-proto"), NAME("x-kong-request-id"),
    NAME("x-real-ip"), {NULL, 0},
};

static const Name RESPONSE_NAMES[] = {
    NAME("connection"), NAME("content-length"), NAME("content-type"), NAME("keep-alive"), NAME("proxy-connection"),
    NAME("server"), NAME("trailer"), NAME("transfer-encoding"), NAME("upgrade"), NAME("via"), NAME("x-accel-buffering"),
    NAME("x-kong-proxy-latency"), NAME("x-kong-request-id"), NAME("x-kong-response-latency"),
    NAME("x-kong-upstream-latency"), NAME("x-kong-upstream-status"), {NULL, 0},
};

/* Plain blocks nearly always fit; larger ones take memory of their own. */
#define PLAIN_ON_STACK 4096
#define MAX_LENGTH_DIGITS 18

/* Lower case for the bytes that a forwarded name may have, 0 for all others: one look tells both. */
static unsigned char FOLD[256];
/* Bytes that a Host may have: visible ones, but for the slash. */
static unsigned char IS_HOST[256];
/* Bytes that no value has. */
static unsigned char IS_CONTROL[256];
static PyObject *GET;

static void fill_tables(void) {
    for (int byte = 0; byte < 256; byte++) {
        int is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (is_letter) {
            FOLD[byte] = (unsigned char)(byte | 0x20);
        } else if ((byte >= '0' && byte <= '9') || byte == '-' || byte == '_') {
            FOLD[byte] = (unsigned char)byte;
        }
        IS_HOST[byte] = byte > 0x20 && byte != 0x7f && byte != '/';
        IS_CONTROL[byte] = (byte < 0x20 && byte != '\t') || byte == 0x7f;
    }
}

typedef struct {
    const unsigned char *start;
    Py_ssize_t size;
} Span;

static PyObject *as_bytes(Span span) {
    return PyBytes_FromStringAndSize((const char *)span.start, span.size);
}

static int equals(Span span, const char *text, Py_ssize_t size) {
    return span.size == size && memcmp(span.start, text, (size_t)size) == 0;
}

static int equals_folded(Span span, const char *text, Py_ssize_t size) {
    if (span.size != size) {
        return 0;
    }
    for (Py_ssize_t at = 0; at < size; at++) {
        if (FOLD[span.start[at]] != (unsigned char)text[at]) {
            return 0;
        }
    }
    return 1;
}

static Span stripped(const unsigned char *start, const unsigned char *stop) {
    while (start < stop && (*start == ' ' || *start == '\t')) {
        start++;
    }
    while (stop > start && (stop[-1] == ' ' || stop[-1] == '\t')) {
        stop--;
    }
    return (Span){start, stop - start};
}

static const unsigned char *next_crlf(const unsigned char *at, const unsigned char *end) {
    while ((at = memchr(at, '\r', (size_t)(end - at))) != NULL) {
        if (end - at < 2) {
            return NULL;
        }
        if (at[1] == '\n') {
            return at;
        }
        at++;
    }
    return NULL;
}

static const Name *find_name(Span name, const Name *names) {
    unsigned char first = FOLD[name.start[0]];
    for (const Name *candidate = names; candidate->text != NULL; candidate++) {
        if (candidate->text[0] == (char)first && equals_folded(name, candidate->text, candidate->size)) {
            return candidate;
        }
    }
    return NULL;
}

/* Append (name, value) to the list, which is made when the first line needs it; -1 on failure. */
static int keep_special(PyObject **special, const Name *name, Span value) {
    if (*special == NULL && (*special = PyList_New(0)) == NULL) {
        return -1;
    }
    PyObject *pair = Py_BuildValue("(y#y#)", name->text, name->size, (const char *)value.start, value.size);
    if (pair == NULL) {
        return -1;
    }
    int failed = PyList_Append(*special, pair);
    Py_DECREF(pair);
    return failed;
}

/* A block that grows out of the stack only when it must. */
typedef struct {
    unsigned char on_stack[PLAIN_ON_STACK];
    unsigned char *start;
    Py_ssize_t used, capacity;
} Block;

static int append(Block *block, const unsigned char *from, Py_ssize_t size) {
    if (size > block->capacity - block->used) {
        Py_ssize_t capacity = 2 * block->capacity + size;
        unsigned char *old = block->start == block->on_stack ? NULL : block->start;
        unsigned char *start = PyMem_Realloc(old, (size_t)capacity);
        if (start == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        if (old == NULL) {
            memcpy(start, block->on_stack, (size_t)block->used);
        }
        block->start = start;
        block->capacity = capacity;
    }
    memcpy(block->start + block->used, from, (size_t)size);
    block->used += size;
    return 0;
}

/* What a walk over the lines has found. */
typedef struct {
    Span first_line;
    Py_ssize_t head_size; /* the empty line included; 0: it has not come */
    PyObject *plain;
    PyObject *special; /* NULL: none */
    int is_odd;        /* some name or value has bytes that need a closer look */
} Lines;

static int has_control(const unsigned char *at, const unsigned char *stop) {
    int found = 0;
    while (at < stop) {
        found |= IS_CONTROL[*at++];
    }
    return found;
}

/* Called with each special line; returns 1 when it has dealt with it, 0 to have it kept as special, 2 as plain, -1 on
 * failure. */
typedef int (*Take)(void *found, const Name *name, Span value);

static int walk(PyObject *data, const Name *names, int drop_odd_names, Take take, void *found, Lines *lines) {
    const unsigned char *begin = (const unsigned char *)PyBytes_AS_STRING(data);
    const unsigned char *end = begin + PyBytes_GET_SIZE(data);
    const unsigned char *at = next_crlf(begin, end);
    if (at == NULL) {
        return 0;
    }
    lines->first_line = (Span){begin, at - begin};
    Block plain;
    plain.start = plain.on_stack;
    plain.used = 0;
    plain.capacity = PLAIN_ON_STACK;
    int result = 0;
    while (result == 0) {
        /* "at" is at a CRLF; the line behind it reaches to the next one. */
        const unsigned char *start = at + 2;
        const unsigned char *stop = next_crlf(start, end);
        if (stop == NULL) {
            break;
        }
        if (stop == start) {
            lines->head_size = stop + 2 - begin;
            lines->plain = PyBytes_FromStringAndSize((const char *)plain.start, plain.used);
            result = lines->plain == NULL ? -1 : 0;
            break;
        }
        const unsigned char *colon = start;
        while (colon < stop && FOLD[*colon]) {
            colon++;
        }
        const Name *name = NULL;
        if (!drop_odd_names) {
            lines->is_odd |= colon == start || colon == stop || *colon != ':' || has_control(colon, stop);
        }
        if (colon == stop || *colon != ':') {
            if (drop_odd_names && colon < stop) {
                at = stop;
                continue;
            }
        } else if (colon > start) {
            name = find_name((Span){start, colon - start}, names);
        }
        int taken = 2;
        if (name != NULL) {
            Span value = stripped(colon + 1, stop);
            taken = take(found, name, value);
            result = taken == 0 ? keep_special(&lines->special, name, value) : taken < 0 ? -1 : 0;
        }
        if (taken == 2) {
            result = append(&plain, at, stop - at);
        }
        at = stop;
    }
    if (plain.start != plain.on_stack) {
        PyMem_Free(plain.start);
    }
    if (result < 0 || lines->head_size == 0) {
        Py_CLEAR(lines->special);
    }
    return result;
}

static PyObject *or_none(PyObject *object) {
    return object != NULL ? object : Py_NewRef(Py_None);
}

/* Fill a tuple with these new references, NULL among them meaning a failure. */
static PyObject *tuple_of(PyObject **items, Py_ssize_t count) {
    int failed = 0;
    for (Py_ssize_t at = 0; at < count; at++) {
        failed |= items[at] == NULL;
    }
    PyObject *result = failed ? NULL : PyTuple_New(count);
    for (Py_ssize_t at = 0; at < count; at++) {
        if (result != NULL) {
            PyTuple_SET_ITEM(result, at, items[at]);
        } else {
            Py_XDECREF(items[at]);
        }
    }
    return result;
}

static int take_host(void *found, const Name *name, Span value) {
    PyObject **host = found;
    if (*host != NULL || !equals((Span){(const unsigned char *)name->text, name->size}, "host", 4) || !value.size) {
        return 0;
    }
    for (Py_ssize_t at = 0; at < value.size; at++) {
        if (!IS_HOST[value.start[at]]) {
            return 0;
        }
    }
    *host = as_bytes(value);
    return *host == NULL ? -1 : 1;
}

static PyObject *split_request(PyObject *module, PyObject *data) {
    if (!PyBytes_Check(data)) {
        PyErr_SetString(PyExc_TypeError, "a head is bytes");
        return NULL;
    }
    Lines lines = {{NULL, 0}, 0, NULL, NULL, 0};
    PyObject *host = NULL;
    if (walk(data, REQUEST_NAMES, 1, take_host, &host, &lines) < 0) {
        Py_XDECREF(host);
        return NULL;
    }
    if (lines.head_size == 0) {
        Py_XDECREF(host);
        Py_RETURN_NONE;
    }
    Span line = lines.first_line, method = {line.start, 0}, target = method, path = method;
    const unsigned char *stop = line.start + line.size;
    const unsigned char *first = memchr(line.start, ' ', (size_t)line.size);
    const unsigned char *second = first == NULL ? NULL : memchr(first + 1, ' ', (size_t)(stop - first - 1));
    const unsigned char *mark = NULL;
    long minor = -1;
    if (second != NULL && memchr(second + 1, ' ', (size_t)(stop - second - 1)) == NULL) {
        method = (Span){line.start, first - line.start};
        target = path = (Span){first + 1, second - first - 1};
        Span version = {second + 1, stop - second - 1};
        minor = equals(version, "HTTP/1.1", 8) ? 1 : equals(version, "HTTP/1.0", 8) ? 0 : -1;
        mark = memchr(target.start, '?', (size_t)target.size);
        if (mark != NULL) {
            path.size = mark - target.start;
        }
    }
    PyObject *whole = as_bytes(target);
    PyObject *items[] = {
        PyLong_FromSsize_t(lines.head_size),
        equals(method, "GET", 3) ? Py_NewRef(GET) : as_bytes(method),
        whole,
        mark == NULL ? Py_XNewRef(whole) : as_bytes(path),
        mark == NULL ? Py_NewRef(Py_None) : as_bytes((Span){mark + 1, target.start + target.size - mark - 1}),
        PyLong_FromLong(minor),
        or_none(host),
        lines.plain,
        or_none(lines.special),
    };
    return tuple_of(items, 9);
}

/* What a response's lines say that nearly every response has. */
typedef struct {
    int minor;
    long long length; /* -1: not said */
    PyObject *content_type;
    int has_server;
} Said;

static int take_said(void *found, const Name *name, Span value) {
    Said *said = found;
    Span known = {(const unsigned char *)name->text, name->size};
    if (equals(known, "content-length", 14)) {
        if (said->length >= 0 || value.size == 0 || value.size > MAX_LENGTH_DIGITS) {
            return 0;
        }
        long long length = 0;
        for (Py_ssize_t at = 0; at < value.size; at++) {
            if (value.start[at] < '0' || value.start[at] > '9') {
                return 0;
            }
            length = length * 10 + (value.start[at] - '0');
        }
        said->length = length;
        return 1;
    }
    if (equals(known, "content-type", 12)) {
        PyObject *content_type = as_bytes(value);
        Py_XSETREF(said->content_type, content_type);
        return content_type == NULL ? -1 : 1;
    }
    if (equals(known, "server", 6)) {
        said->has_server = 1;
        return 2;
    }
    return said->minor == 1 && equals(known, "connection", 10) && equals_folded(value, "keep-alive", 10);
}

/* Return the status and set the minor version, or return 0: no such status line. */
static long read_status_line(const unsigned char *line, Py_ssize_t size, int *minor) {
    if (size < 12 || memcmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') || line[8] != ' ') {
        return 0;
    }
    if (size > 12 && line[12] != ' ') {
        return 0;
    }
    long status = 0;
    for (int at = 9; at < 12; at++) {
        if (line[at] < '0' || line[at] > '9') {
            return 0;
        }
        status = status * 10 + (line[at] - '0');
    }
    for (Py_ssize_t at = 0; at < size; at++) {
        if ((line[at] < 0x20 && line[at] != '\t') || line[at] == 0x7f) {
            return 0;
        }
    }
    *minor = line[7] - '0';
    return status >= 100 ? status : 0;
}

static PyObject *split_response(PyObject *module, PyObject *data) {
    if (!PyBytes_Check(data)) {
        PyErr_SetString(PyExc_TypeError, "a head is bytes");
        return NULL;
    }
    Lines lines = {{NULL, 0}, 0, NULL, NULL, 0};
    Said said = {PyBytes_GET_SIZE(data) > 7 ? PyBytes_AS_STRING(data)[7] - '0' : 0, -1, NULL, 0};
    if (walk(data, RESPONSE_NAMES, 0, take_said, &said, &lines) < 0) {
        Py_XDECREF(said.content_type);
        return NULL;
    }
    if (lines.head_size == 0) {
        Py_XDECREF(said.content_type);
        Py_RETURN_NONE;
    }
    Span line = lines.first_line;
    int minor = 0;
    long status = read_status_line(line.start, line.size, &minor);
    PyObject *sent = PyBytes_FromStringAndSize((const char *)line.start, line.size);
    if (sent != NULL && status != 0) {
        PyBytes_AS_STRING(sent)[7] = '1';
    }
    PyObject *items[] = {
        PyLong_FromSsize_t(lines.head_size),
        PyLong_FromLong(minor),
        PyLong_FromLong(status),
        sent,
        lines.plain,
        said.length < 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(said.length),
        or_none(said.content_type),
        or_none(lines.special),
        PyBool_FromLong(said.has_server),
        PyBool_FromLong(status != 0 && !lines.is_odd && lines.special == NULL),
    };
    return tuple_of(items, 10);
}

static PyMethodDef METHODS[] = {
    {"split_request", split_request, METH_O, "See splitting.split_request."},
    {"split_response", split_response, METH_O, "See splitting.split_response."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_splitting", "The compiled twin of splitting.py.", 0, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__splitting(void) {
    fill_tables();
    GET = PyBytes_FromString("GET");
    return GET == NULL ? NULL : PyModule_Create(&MODULE);
}

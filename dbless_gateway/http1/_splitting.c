/* A head taken apart in one pass: the compiled twin of splitting.py, which says what and why.
 *
 * Both functions take the bytes of one complete head and return (first line, plain block, special lines). They look
 * at every byte once, allocate the three results and nothing else, and never read behind the end of the buffer,
 * whatever it contains. Only the names differ between requests and responses.
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
    NAME("trailer"), NAME("transfer-encoding"), NAME("upgrade"), NAME("via"), NAME("x-accel-buffering"),
    NAME("x-kong-proxy-latency"), NAME("x-kong-request-id"), NAME("x-kong-response-latency"),
    NAME("x-kong-upstream-latency"), NAME("x-kong-upstream-status"), {NULL, 0},
};

/* Lower case for the bytes that a forwarded name may have, 0 for all others: one look tells both. */
static unsigned char FOLD[256];

static void fill_fold(void) {
    for (int byte = 0; byte < 256; byte++) {
        int is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (is_letter) {
            FOLD[byte] = (unsigned char)(byte | 0x20);
        } else if ((byte >= '0' && byte <= '9') || byte == '-' || byte == '_') {
            FOLD[byte] = (unsigned char)byte;
        }
    }
}

static int is_named(const unsigned char *name, Py_ssize_t size, const Name *names) {
    unsigned char first = FOLD[name[0]];
    for (const Name *candidate = names; candidate->text != NULL; candidate++) {
        if (candidate->text[0] != (char)first || candidate->size != size) {
            continue;
        }
        Py_ssize_t at = 1;
        while (at < size && FOLD[name[at]] == (unsigned char)candidate->text[at]) {
            at++;
        }
        if (at == size) {
            return 1;
        }
    }
    return 0;
}

/* Fill the plain block's bytes and the list of special lines; returns the block's size or -1. */
static Py_ssize_t take_lines(const unsigned char *at, const unsigned char *end, const Name *names, int drop_odd_names,
                             unsigned char *plain, PyObject *special) {
    unsigned char *out = plain;
    while (end - at > 2) {
        /* "at" is at a CRLF; the line reaches to the next CR. */
        const unsigned char *start = at + 2;
        const unsigned char *stop = memchr(start, '\r', (size_t)(end - start));
        if (stop == NULL) {
            stop = end;
        }
        const unsigned char *colon = start;
        while (colon < stop && FOLD[*colon]) {
            colon++;
        }
        if (colon == stop || *colon != ':') {
            if (drop_odd_names && colon < stop) {
                at = stop;
                continue;
            }
        } else if (colon > start && is_named(start, colon - start, names)) {
            PyObject *line = PyBytes_FromStringAndSize((const char *)start, stop - start);
            if (line == NULL || PyList_Append(special, line) < 0) {
                Py_XDECREF(line);
                return -1;
            }
            Py_DECREF(line);
            at = stop;
            continue;
        }
        memcpy(out, at, (size_t)(stop - at));
        out += stop - at;
        at = stop;
    }
    return out - plain;
}

static PyObject *split(PyObject *head, const Name *names, int drop_odd_names) {
    if (!PyBytes_Check(head)) {
        PyErr_SetString(PyExc_TypeError, "a head is bytes");
        return NULL;
    }
    const unsigned char *begin = (const unsigned char *)PyBytes_AS_STRING(head);
    Py_ssize_t size = PyBytes_GET_SIZE(head);
    const unsigned char *end = begin + (size > 4 ? size - 4 : 0);
    const unsigned char *line_end = memchr(begin, '\r', (size_t)(end - begin));
    if (line_end == NULL) {
        line_end = end;
    }
    PyObject *line = PyBytes_FromStringAndSize((const char *)begin, line_end - begin);
    PyObject *plain = PyBytes_FromStringAndSize(NULL, end - line_end);
    PyObject *special = PyList_New(0);
    if (line == NULL || plain == NULL || special == NULL) {
        goto failed;
    }
    Py_ssize_t used = take_lines(line_end, end, names, drop_odd_names, (unsigned char *)PyBytes_AS_STRING(plain), special);
    if (used < 0 || _PyBytes_Resize(&plain, used) < 0) {
        goto failed;
    }
    PyObject *result = PyTuple_New(3);
    if (result == NULL) {
        goto failed;
    }
    PyTuple_SET_ITEM(result, 0, line);
    PyTuple_SET_ITEM(result, 1, plain);
    PyTuple_SET_ITEM(result, 2, special);
    return result;
failed:
    Py_XDECREF(line);
    Py_XDECREF(plain);
    Py_XDECREF(special);
    return NULL;
}

static PyObject *split_request(PyObject *module, PyObject *head) {
    return split(head, REQUEST_NAMES, 1);
}

static PyObject *split_response(PyObject *module, PyObject *head) {
    return split(head, RESPONSE_NAMES, 0);
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
    fill_fold();
    return PyModule_Create(&MODULE);
}

/* A language model in one file: it runs the parameters that `fragua export --to two-files` writes.

       cc -O3 -march=native -fopenmp run.c -lm -o run
       ./run parameters.bin -p "Había una vez" -n 100 -t 0.8 -s 7
       ./run parameters.bin --chat

   From top to bottom: the file, its tokenizer, the arithmetic, the transformer, the choice of a token, the program.
   The file is little-endian and memory-mapped. Its sizes are checked when it is opened, each token where it is used. */

#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define fail(...) (fprintf(stderr, "error: " __VA_ARGS__), fputc('\n', stderr), exit(2))
static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count + !count, size);
    if (!memory) fail("not enough memory for %zu bytes; choose a smaller context with -c", count * size);
    return memory;
}

/* ---- The file ------------------------------------------------------------------------------------------------ */
enum { VERSION = 1, GROUP = 64, ALIGNMENT = 64, NONE = -1, WIDEST = 1024 };        /* WIDEST: head */
enum { FLOAT32, INT8, INT4 };                                      /* how matrices are stored */
enum { WORDS_GPT2, WORDS_QWEN2, SENTENCEPIECE };                   /* how a text is cut before merges */
enum { SPECIAL = 1, STOP = 2, TURN = 4 };      /* flags of a token: TURN ends an answer, STOP any text */
enum { SIGN, LETTER, NUMBER, SPACE, NEWLINE, END_OF_TEXT };        /* what a character is for the cutting */
enum { ROPE, ENDS, BYTES, SORTED, FLAGS, MERGES, BYTE_IDS, CLASSES, CHAT_FIRST, CHAT_REPLY, CHAT_NEXT, SECTIONS };

typedef struct { uint64_t at, bytes; } Section;
typedef struct {
    char magic[8];
    uint32_t version, checksum;                 /* CRC-32 of the rest of the header */
    uint64_t header_bytes, file_bytes;          /* header_bytes: this struct and the sections; weights begin there */
    uint32_t dtype, layers, width, heads, kv_heads, head_width, ffn_width, rows, context;  /* rows: of the embedding */
    uint32_t qk_norm, biases, tied;
    float norm_eps, rope_theta, rope_scale;     /* section ROPE holds the frequencies: of theta, scaled */
    uint32_t tokens, words, digits, whole_words;    /* digits: most in one piece; whole_words: no merges for them */
    int32_t start;                              /* the token before every text, or NONE */
    Section sections[SECTIONS];
} Header;

typedef struct { const void *data; const float *scales; uint32_t rows, columns; } Matrix;   /* columns: padded */
typedef struct {
    const float *attention_norm, *ffn_norm, *q_norm, *k_norm, *qkv_bias, *out_bias;
    Matrix qkv, out, gate_up, down;
} Layer;
typedef struct { uint32_t left, right, rank, result; } Merge;
typedef struct { uint32_t from, to, kind; } Class;      /* characters from `from` up to, without, `to` */

typedef struct {
    const Header *head;
    uint64_t size;
    const uint8_t *file, *bytes, *flags, *chat[3];
    const uint32_t *ends, *sorted, *byte_ids;
    const Merge *merges;
    const Class *classes;
    uint32_t byte_count, sorted_count, merge_count, class_count, chat_bytes[3];
    const float *frequencies, *norm;
    Matrix embedding, output;
    Layer *layers;
} Model;

static uint32_t padded(uint32_t n) { return (n + GROUP - 1) / GROUP * GROUP; }
static uint32_t checksum(const uint8_t *data, uint64_t bytes) {        /* CRC-32, as in zlib */
    uint32_t crc = 0xFFFFFFFFu;
    for (const uint8_t *end = data + bytes; data < end; data++) {
        crc ^= *data;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}
/* The next `bytes` of the weights, from `*at` on; each tensor begins at a multiple of 64. */
static const void *take(const Model *m, uint64_t *at, uint64_t bytes) {
    if (*at > m->size || bytes > m->size - *at) fail("the parameters are truncated; export them again");
    uint64_t from = *at;
    *at += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return m->file + from;
}

static Matrix take_matrix(const Model *m, uint64_t *at, uint64_t rows, uint32_t columns) {
    Matrix matrix = {.rows = (uint32_t)rows, .columns = padded(columns)};
    uint64_t count = rows * matrix.columns;
    matrix.data = take(m, at, m->head->dtype == FLOAT32 ? 4 * count : m->head->dtype == INT8 ? count : count / 2);
    if (m->head->dtype != FLOAT32) matrix.scales = take(m, at, 4 * count / GROUP);
    return matrix;
}

/* A section of the header: `*count` things of `unit` bytes. */
static const void *section(const Model *m, int name, uint64_t unit, uint32_t *count) {
    Section s = m->head->sections[name];
    uint64_t end = m->head->header_bytes;
    if (s.at < sizeof(Header) || s.at > end || s.bytes > end - s.at || s.at % ALIGNMENT || s.bytes % unit ||
        s.bytes / unit > UINT32_MAX)
        fail("section %d of the header is broken", name);
    *count = (uint32_t)(s.bytes / unit);
    return m->file + s.at;
}

static void read_header(Model *m) {
    const Header *h = m->head;
    uint32_t sizes[] = {h->layers, h->width, h->heads, h->kv_heads, h->head_width, h->ffn_width, h->rows, h->tokens};
    uint32_t ends, flags, alone, rope;
    for (int i = 0; i < 8; i++)
        if (sizes[i] < 1 || sizes[i] > 1u << 24) fail("a size in the header is out of range");
    if (h->heads % h->kv_heads || h->head_width % 2 || h->head_width > WIDEST || h->tokens > h->rows ||
        h->context - 1 > 1u << 28 || (uint64_t)h->heads * h->head_width > 1u << 24 || h->dtype > INT4 || h->words > SENTENCEPIECE || !h->digits)
        fail("the header contradicts itself");
    m->bytes = section(m, BYTES, 1, &m->byte_count), m->ends = section(m, ENDS, 4, &ends);
    m->flags = section(m, FLAGS, 1, &flags), m->sorted = section(m, SORTED, 4, &m->sorted_count);
    m->byte_ids = section(m, BYTE_IDS, 4, &alone), m->frequencies = section(m, ROPE, 4, &rope);
    m->merges = section(m, MERGES, sizeof(Merge), &m->merge_count);
    m->classes = section(m, CLASSES, sizeof(Class), &m->class_count);
    for (int i = 0; i < 3; i++) m->chat[i] = section(m, CHAT_FIRST + i, 1, &m->chat_bytes[i]);
    if (ends != h->tokens || flags != h->tokens || alone != 256 || rope != h->head_width / 2)
        fail("the header is incomplete");
}

static void read_weights(Model *m) {
    const Header *h = m->head;
    uint64_t at = h->header_bytes, width = 4 * (uint64_t)h->width, queries = (uint64_t)h->heads * h->head_width;
    uint64_t qkv = queries + 2 * (uint64_t)h->kv_heads * h->head_width;
    m->embedding = take_matrix(m, &at, h->rows, h->width);
    if (h->layers > m->size / width) fail("the parameters are truncated; export them again");
    m->layers = allocate(h->layers, sizeof(Layer));
    for (Layer *layer = m->layers; layer < m->layers + h->layers; layer++) {
        layer->attention_norm = take(m, &at, width);
        layer->qkv = take_matrix(m, &at, qkv, h->width);
        if (h->biases) layer->qkv_bias = take(m, &at, 4 * qkv);
        if (h->qk_norm) layer->q_norm = take(m, &at, 4 * (uint64_t)h->head_width);
        if (h->qk_norm) layer->k_norm = take(m, &at, 4 * (uint64_t)h->head_width);
        layer->out = take_matrix(m, &at, h->width, (uint32_t)queries);
        if (h->biases) layer->out_bias = take(m, &at, width);
        layer->ffn_norm = take(m, &at, width);
        layer->gate_up = take_matrix(m, &at, 2 * (uint64_t)h->ffn_width, h->width);
        layer->down = take_matrix(m, &at, h->width, h->ffn_width);
    }
    m->norm = take(m, &at, width);
    m->output = h->tied ? m->embedding : take_matrix(m, &at, h->rows, h->width);
    if (at != m->size) fail("the parameters have another size than their header says");
}

static void read_model(Model *m, const uint8_t *file, uint64_t size) {
    const Header *h = (const Header *)file;
    *m = (Model){.head = h, .file = file, .size = size};
    if (size < sizeof(Header) || memcmp(h->magic, "fragua2f", 8)) fail("this is not a file of parameters");
    if (h->version != VERSION) fail("version %u; this program reads version %d", h->version, VERSION);
    bool whole = h->file_bytes == size && h->header_bytes <= size && h->header_bytes >= sizeof(Header);
    if (!whole || h->header_bytes % ALIGNMENT || checksum(file + 16, h->header_bytes - 16) != h->checksum)
        fail("the parameters are truncated or damaged; export them again");
    read_header(m);
    read_weights(m);
}

static void open_model(Model *m, const char *path) {
    FILE *file = fopen(path, "rb");
    long size = file && !fseek(file, 0, SEEK_END) ? ftell(file) : 0;
    void *data = size > 0 ? mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fileno(file), 0) : MAP_FAILED;
    if (data == MAP_FAILED) fail("%s: cannot be read, or is empty", path);
    fclose(file);
    read_model(m, data, (uint64_t)size);
}

/* ---- The tokenizer ------------------------------------------------------------------------------------------- */
typedef struct { uint32_t *ids; size_t count, room; } Ids;
static void push(Ids *ids, uint32_t id) {
    if (ids->count == ids->room) ids->ids = realloc(ids->ids, 4 * (ids->room = 2 * ids->room + 256));
    if (!ids->ids) fail("not enough memory for the tokens");
    ids->ids[ids->count++] = id;
}

static const uint8_t *token_bytes(const Model *m, uint32_t id, size_t *length) {
    uint32_t from = id && id < m->head->tokens ? m->ends[id - 1] : 0;
    if (id >= m->head->tokens || m->ends[id] < from || m->ends[id] > m->byte_count) fail("token %u is broken", id);
    *length = m->ends[id] - from;
    return m->bytes + from;
}

/* One character of UTF-8: its length; 0 where the bytes are none, -1 where they end too soon (Unicode 16.0, table 3-7).
   *need tells how many bytes of a character stand here: those that one U+FFFD replaces where it is not whole. */
static int read_character(const uint8_t *s, size_t n, uint32_t *code, int *need) {
    int length = s[0] < 0x80 ? 1 : s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF5 ? 4 : 0;
    uint8_t low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
    uint8_t high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
    *code = length < 2 ? s[0] : s[0] & (0x7F >> length);
    for (*need = 1; *need < length; ++*need, low = 0x80, high = 0xBF) {
        if ((size_t)*need >= n) return -1;
        if (s[*need] < low || s[*need] > high) return 0;
        *code = *code << 6 | (s[*need] & 0x3F);
    }
    return length;
}

/* The token that is this text, and the merge of these two tokens; NULL where there is none. */
typedef struct { const Model *m; const uint8_t *text; size_t n; } Key;
static int by_text(const void *wanted, const void *id) {
    const Key *key = wanted;
    size_t length;
    const uint8_t *token = token_bytes(key->m, *(const uint32_t *)id, &length);
    int order = memcmp(key->text, token, length < key->n ? length : key->n);
    return order ? order : (key->n > length) - (key->n < length);
}
static const uint32_t *find(const Model *m, const uint8_t *text, size_t n) {
    return bsearch(&(Key){m, text, n}, m->sorted, m->sorted_count, sizeof(uint32_t), by_text);
}
static int by_pair(const void *wanted, const void *merge) {
    const uint32_t *a = wanted, *b = merge;
    return a[0] != b[0] ? (a[0] > b[0]) - (a[0] < b[0]) : (a[1] > b[1]) - (a[1] < b[1]);
}
static const Merge *find_merge(const Model *m, const uint32_t *pair) {
    return bsearch(pair, m->merges, m->merge_count, sizeof(Merge), by_pair);
}

/* Byte pair encoding of one piece: bytes or characters, of which the pair of lowest rank is merged, again and again. */
static void encode_piece(const Model *m, const uint8_t *text, size_t n, Ids *out) {
    bool characters = m->head->words == SENTENCEPIECE;
    const uint32_t *known = m->head->whole_words ? find(m, text, n) : NULL;
    size_t first = out->count;
    for (size_t i = 0; i < n && !known;) {
        uint32_t code; int need, length = characters ? read_character(text + i, n - i, &code, &need) : 1;
        const uint32_t *token = characters ? find(m, text + i, (size_t)length) : NULL;
        for (int j = 0; j < (token ? 1 : length); j++) push(out, token ? *token : m->byte_ids[text[i + j]]);
        i += (size_t)length;
    }
    if (known) push(out, *known);
    uint32_t *ids = out->ids + first;
    size_t count = out->count - first, best;
    const Merge **pairs = allocate(count, sizeof *pairs);           /* pairs[i] joins ids[i] and ids[i + 1] */
    for (size_t i = 0; i + 1 < count; i++) pairs[i] = find_merge(m, ids + i);
    for (;; count--) {
        best = count;
        for (size_t i = 0; i + 1 < count; i++)
            if (pairs[i] && (best == count || pairs[i]->rank < pairs[best]->rank)) best = i;
        if (best == count) break;
        ids[best] = pairs[best]->result;
        memmove(ids + best + 1, ids + best + 2, (count - best - 2) * sizeof *ids);
        memmove(pairs + best, pairs + best + 1, (count - best - 1) * sizeof *pairs);
        if (best) pairs[best - 1] = find_merge(m, ids + best - 1);
        if (best + 2 < count) pairs[best] = find_merge(m, ids + best);
    }
    free(pairs);
    out->count = first + count;
}

typedef struct { uint32_t code, kind; size_t at; } Character;
static int by_code(const void *wanted, const void *class) {
    const Class *c = class;
    return *(const uint32_t *)wanted < c->from ? -1 : *(const uint32_t *)wanted >= c->to;
}
static uint32_t kind_of(const Model *m, uint32_t code) {
    const Class *class = bsearch(&code, m->classes, m->class_count, sizeof(Class), by_code);
    return class ? class->kind % END_OF_TEXT : SIGN;
}

static size_t run_of(const Character *c, size_t from, uint32_t kind) {
    for (; c[from].kind == kind; from++);
    return from;
}
/* How many characters the next piece has. The patterns are those of GPT-2, and of Qwen2 and Llama 3:
  's|'t|'re|'ve|'m|'ll|'d|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t next_piece(const Model *m, const Character *c) {
    bool gpt2 = m->head->words == WORDS_GPT2;
    uint32_t a = c[1].code, b = c[1].kind == END_OF_TEXT ? 0 : c[2].code;
    if (!gpt2) a = a == 0x17F ? 's' : a < 128 ? a | 32 : a, b = b < 128 ? b | 32 : b;       /* U+017F is an s, too */
    if (c[0].code == '\'' && (a == 's' || a == 't' || a == 'm' || a == 'd')) return 2;
    if (c[0].code == '\'' && ((b == 'e' && (a == 'r' || a == 'v')) || (a == 'l' && b == 'l'))) return 3;
    size_t n, last = 0, lead = c[0].code == ' ', before = gpt2 ? lead : c[0].kind == SIGN || c[0].kind == SPACE;
    if (c[0].kind == LETTER || (before && c[1].kind == LETTER)) return run_of(c, before, LETTER);
    if (gpt2 && c[lead].kind == NUMBER) return run_of(c, lead, NUMBER);
    if (c[0].kind == NUMBER && (n = run_of(c, 0, NUMBER))) return n < m->head->digits ? n : m->head->digits;
    if (c[lead].kind == SIGN && (n = run_of(c, lead, SIGN))) return gpt2 ? n : run_of(c, n, NEWLINE);
    for (n = 0; c[n].kind == SPACE || c[n].kind == NEWLINE; n++)
        if (c[n].kind == NEWLINE) last = n + 1;
    if (last && !gpt2) return last;
    return n < 2 ? 1 : c[n].kind == END_OF_TEXT ? n : n - 1;
}

/* The ids of a text; nothing in it becomes a special token, and bytes that are not UTF-8 count as U+FFFD. */
static void encode(const Model *m, const uint8_t *text, size_t n, Ids *out) {
    bool sentences = m->head->words == SENTENCEPIECE;
    uint8_t *valid = allocate(3 * n + 1, 1);
    Character *c = allocate(n + 2, sizeof *c);
    size_t bytes = 0, count = 0;
    if (sentences && n) valid[bytes++] = ' ';
    for (size_t i = 0; i < n; count++) {
        uint32_t code; int need, length = read_character(text + i, n - i, &code, &need);
        const char *replaced = length < 1 ? "\xEF\xBF\xBD" : sentences && code == 0x2581 ? " " : NULL;
        size_t size = replaced ? strlen(replaced) : (size_t)length;
        c[count] = (Character){length < 1 ? 0xFFFD : code, kind_of(m, length < 1 ? 0xFFFD : code), bytes};
        memcpy(valid + bytes, replaced ? replaced : (const char *)text + i, size);
        bytes += size;
        i += (size_t)need;
    }
    for (int i = 0; i < 2; i++) c[count + i] = (Character){.kind = END_OF_TEXT, .at = bytes};
    if (sentences && n) encode_piece(m, valid, bytes, out);
    else for (size_t i = 0, length; i < count; i += length) {
        length = next_piece(m, c + i);
        encode_piece(m, valid + c[i].at, c[i + length].at - c[i].at, out);
    }
    free(c), free(valid);
}

/* ---- The arithmetic ------------------------------------------------------------------------------------------ */
enum { BATCH = 32 };                                    /* tokens for which the weights are read once */

#if defined __AVX512VNNI__ || defined __AVXVNNI__ || defined __ARM_FEATURE_MATMUL_INT8
typedef int8_t Whole;                                   /* processors with an instruction for u8 x s8 (vpdpbusd) */
#else
typedef int16_t Whole;                                  /* others multiply 16 bits, and need not widen these again */
#endif

/* Inputs of a product, BATCH rows of `stride`: floats, and for int8 and int4 weights the same as whole numbers from
   -127 to 127 with a scale for each GROUP, and the sum of each GROUP. */
typedef struct { float *f, *scale; Whole *q; int32_t *sum; uint32_t stride; } Inputs;
static void quantise(Inputs *x, size_t group) {
    const float *f = x->f + group * GROUP;
    float most = 0;
    int32_t sum = 0;
    for (int i = 0; i < GROUP; i++) most = fabsf(f[i]) > most ? fabsf(f[i]) : most;
    float inverse = most > 1e-30f && most < INFINITY ? 127 / most : 0;
    for (int i = 0; i < GROUP; i++) {
        float value = rintf(f[i] * inverse);            /* not a number, if the parameters are damaged */
        sum += x->q[group * GROUP + i] = (Whole)(value > -127 ? value < 127 ? value : 127 : -127);
    }
    x->scale[group] = most / 127, x->sum[group] = sum;
}

/* Makes `rows` inputs of `columns` floats ready for matrices of this type. */
static void prepare(const Model *m, Inputs *x, int rows, uint32_t columns) {
    for (int row = 0; row < rows; row++) {
        size_t from = (size_t)row * x->stride, groups = padded(columns) / GROUP;
        memset(x->f + from + columns, 0, (padded(columns) - columns) * sizeof(float));
        for (size_t g = 0; m->head->dtype != FLOAT32 && g < groups; g++) quantise(x, from / GROUP + g);
    }
}

/* Sixteen sums, so that a compiler may use wide registers. What is small is summed in double: then compilers and the
   NumPy program, which order sums as they like, agree once it is rounded to float. */
#define DOT(NAME, TYPE) static TYPE NAME(const float *w, const float *x, size_t n) { \
    TYPE sums[16] = {0}, total = 0; \
    for (; n >= 16; n -= 16, w += 16, x += 16) \
        for (int j = 0; j < 16; j++) sums[j] += (TYPE)w[j] * x[j]; \
    while (n--) total += (TYPE)*w++ * *x++; \
    for (int j = 0; j < 16; j++) total += sums[j]; \
    return total; }
DOT(dot_float, float)
DOT(dot_double, double)

/* Weights are stored unsigned, 128 (int8) or 8 (int4) above their value: u8 x s8 is what processors multiply fastest.
   What that adds is the sum of the inputs times the offset, and is taken away once a group. */
static float dot_whole(const uint8_t *w, const float *scales, const Inputs *x, size_t from, size_t n, bool half) {
    const Whole *q = x->q + from;
    double total = 0;
    for (size_t g = from / GROUP; g < (from + n) / GROUP; g++, scales++, w += half ? GROUP / 2 : GROUP, q += GROUP) {
        int32_t sum = 0;
        if (half) {
            for (int i = 0; i < GROUP / 2; i++) sum += (w[i] & 15) * q[i];
            for (int i = 0; i < GROUP / 2; i++) sum += (w[i] >> 4) * q[GROUP / 2 + i];
        } else for (int i = 0; i < GROUP; i++) sum += w[i] * q[i];
        total += (sum - (half ? 8 : 128) * x->sum[g]) * (double)(*scales * x->scale[g]);
    }
    return (float)total;
}

/* y (+)= x W^T + bias for `rows` inputs; each row of W is read once for all of them. */
static void multiply(const Model *m, Matrix w, const Inputs *x, int rows, float *y, const float *bias, bool add) {
#pragma omp parallel for schedule(static)
    for (uint32_t r = 0; r < w.rows; r++) {
        size_t at = (size_t)r * w.columns, from = 0;
        const float *scales = w.scales ? w.scales + at / GROUP : NULL;
        const uint8_t *bytes = (const uint8_t *)w.data + (m->head->dtype == INT4 ? at / 2 : at);
        for (int t = 0; t < rows; t++, from += x->stride) {
            float dot = m->head->dtype == INT8   ? dot_whole(bytes, scales, x, from, w.columns, false)
                        : m->head->dtype == INT4 ? dot_whole(bytes, scales, x, from, w.columns, true)
                                                 : dot_float((const float *)w.data + at, x->f + from, w.columns);
            float *target = &y[(size_t)t * w.rows + r];
            *target = dot + (bias ? bias[r] : 0) + (add ? *target : 0);
        }
    }
}

static void embed(const Model *m, uint32_t id, float *x) {
    Matrix e = m->embedding;
    const uint8_t *bytes = e.data;
    if (id >= e.rows) fail("token %u is broken", id);
    for (size_t i = 0, at = (size_t)id * e.columns; i < m->head->width; i++, at++) {
        size_t half = GROUP / 2, packed = at / GROUP * half + at % half;
        x[i] = m->head->dtype == FLOAT32 ? ((const float *)e.data)[at] : m->head->dtype == INT8 ? bytes[at] - 128
               : (at % GROUP < half ? bytes[packed] & 15 : bytes[packed] >> 4) - 8;
        x[i] *= e.scales ? e.scales[at / GROUP] : 1;
    }
}

static void normalise(float *y, const float *x, const float *gain, uint32_t n, float eps) {     /* RMSNorm */
    double squares = 0;
    for (uint32_t i = 0; i < n; i++) squares += (double)x[i] * x[i];
    float scale = 1 / sqrtf((float)(squares / n) + eps);
    for (uint32_t i = 0; i < n; i++) y[i] = x[i] * scale * gain[i];
}

/* ---- The transformer ----------------------------------------------------------------------------------------- */
typedef struct {
    const Model *m;
    uint32_t limit, length;                             /* positions there is room for, and those read */
    float *keys, *values;                               /* [layers, limit, kv_heads * head_width] */
    float *cosines, *sines, *stream, *qkv, *hidden, *logits;
    Inputs x;
} State;

static float *floats(size_t rows, size_t columns) { return allocate(rows * columns, sizeof(float)); }
static void new_state(State *s, const Model *m, uint32_t limit) {
    const Header *h = m->head;
    size_t half = h->head_width / 2, queries = 2 * half * h->heads, keys = 2 * half * h->kv_heads;
    size_t most = queries > h->ffn_width ? queries : h->ffn_width;
    uint32_t stride = padded((uint32_t)(most > h->width ? most : h->width));
    *s = (State){.m = m, .limit = limit, .x = {.stride = stride, .f = floats(BATCH, stride)}};
    s->x.q = allocate(BATCH * (size_t)stride, sizeof(Whole)), s->x.sum = allocate(BATCH * (size_t)stride / GROUP, 4);
    s->x.scale = floats(BATCH, stride / GROUP), s->stream = floats(BATCH, h->width), s->logits = floats(h->rows, 1);
    s->keys = floats((size_t)h->layers * limit, keys), s->values = floats((size_t)h->layers * limit, keys);
    s->qkv = floats(BATCH, queries + 2 * keys), s->hidden = floats(BATCH, 2 * (size_t)h->ffn_width);
    s->cosines = floats(limit, half), s->sines = floats(limit, half);
    for (size_t i = 0; i < limit * half; i++) {
        float angle = (float)(i / half) * m->frequencies[i % half];
        s->cosines[i] = (float)cos(angle) * h->rope_scale, s->sines[i] = (float)sin(angle) * h->rope_scale;
    }
}

static void turn(const State *s, float *head, size_t position) {      /* RoPE: turns each pair (i, i + half) */
    uint32_t half = s->m->head->head_width / 2;
    const float *cosine = s->cosines + position * half, *sine = s->sines + position * half;
    for (uint32_t i = 0; i < half; i++) {
        double a = head[i], b = head[i + half];
        head[i] = (float)(a * cosine[i] - b * sine[i]), head[i + half] = (float)(b * cosine[i] + a * sine[i]);
    }
}

/* One query over the keys before it: softmax in one pass, rescaled whenever a larger score comes. */
static void attend(float *y, const float *q, const float *key, const float *value, size_t n, size_t stride, size_t e) {
    double most = -INFINITY, sum = 0, total[WIDEST] = {0};
    for (; n--; key += stride, value += stride) {
        double score = dot_double(q, key, e) / sqrt((double)e);
        if (score > most) {
            double shrink = exp(most - score);
            for (size_t j = 0; j < e; j++) total[j] *= shrink;
            sum *= shrink, most = score;
        }
        double weight = exp(score - most);
        for (size_t j = 0; j < e; j++) total[j] += weight * value[j];
        sum += weight;
    }
    for (size_t j = 0; j < e; j++) y[j] = (float)(total[j] / sum);
}

static void attention(State *s, uint32_t number, int rows) {
    const Header *h = s->m->head;
    const Layer *layer = &s->m->layers[number];
    uint32_t e = h->head_width, queries = h->heads * e, keys = h->kv_heads * e;
    size_t base = (size_t)number * s->limit * keys, stride = queries + 2 * (size_t)keys;
    for (int t = 0; t < rows; t++) {
        float *qkv = s->qkv + (size_t)t * stride;
        size_t position = s->length + (size_t)t, at = base + position * keys;
        for (uint32_t head = 0; head < h->heads + h->kv_heads; head++) {
            const float *gain = head < h->heads ? layer->q_norm : layer->k_norm;
            if (gain) normalise(qkv + head * e, qkv + head * e, gain, e, h->norm_eps);
            turn(s, qkv + head * e, position);
        }
        memcpy(s->keys + at, qkv + queries, 4 * (size_t)keys);
        memcpy(s->values + at, qkv + queries + keys, 4 * (size_t)keys);
    }
#pragma omp parallel for collapse(2) schedule(static)
    for (int t = 0; t < rows; t++)
        for (uint32_t head = 0; head < h->heads; head++) {
            size_t from = base + head / (h->heads / h->kv_heads) * e;
            float *y = s->x.f + (size_t)t * s->x.stride + head * e, *q = s->qkv + (size_t)t * stride + head * e;
            attend(y, q, s->keys + from, s->values + from, s->length + (size_t)t + 1, keys, e);
        }
    prepare(s->m, &s->x, rows, queries);
}

static void norm_inputs(State *s, const float *gain, size_t rows) {
    uint32_t width = s->m->head->width;
    for (size_t t = 0; t < rows; t++)
        normalise(s->x.f + t * s->x.stride, s->stream + t * width, gain, width, s->m->head->norm_eps);
    prepare(s->m, &s->x, (int)rows, width);
}

/* Reads at most BATCH tokens; afterwards s->logits are those after the last. */
static void read_batch(State *s, const uint32_t *ids, int rows) {
    const Model *m = s->m;
    const Header *h = m->head;
    for (int t = 0; t < rows; t++) embed(m, ids[t], s->stream + (size_t)t * h->width);
    for (uint32_t number = 0; number < h->layers; number++) {
        const Layer *layer = &m->layers[number];
        norm_inputs(s, layer->attention_norm, (size_t)rows);
        multiply(m, layer->qkv, &s->x, rows, s->qkv, layer->qkv_bias, false);
        attention(s, number, rows);
        multiply(m, layer->out, &s->x, rows, s->stream, layer->out_bias, true);
        norm_inputs(s, layer->ffn_norm, (size_t)rows);
        multiply(m, layer->gate_up, &s->x, rows, s->hidden, NULL, false);
#pragma omp parallel for collapse(2) schedule(static)
        for (int t = 0; t < rows; t++)
            for (uint32_t i = 0; i < h->ffn_width; i++) {       /* SwiGLU: silu(gate) * up */
                const float *gate = s->hidden + 2 * (size_t)t * h->ffn_width;
                double silu = gate[i] / (1 + exp(-(double)gate[i]));
                s->x.f[(size_t)t * s->x.stride + i] = (float)(silu * gate[h->ffn_width + i]);
            }
        prepare(m, &s->x, rows, h->ffn_width);
        multiply(m, layer->down, &s->x, rows, s->stream, NULL, true);
    }
    memmove(s->stream, s->stream + (size_t)(rows - 1) * h->width, h->width * sizeof(float));
    norm_inputs(s, m->norm, 1);
    multiply(m, m->output, &s->x, 1, s->logits, NULL, false);
    s->length += (uint32_t)rows;
}

/* ---- The choice of a token ----------------------------------------------------------------------------------- */
typedef struct { double temperature, top_k, top_p, min_p; uint32_t random[624], drawn; } Sampler;
typedef struct { float logit; uint32_t id; } Candidate;
static void seed(Sampler *s, uint32_t value) {          /* MT19937, seeded as PyTorch and NumPy do */
    s->drawn = 624, s->random[0] = value;
    for (uint32_t i = 1; i < 624; i++) s->random[i] = value = 1812433253u * (value ^ value >> 30) + i;
}

static uint64_t random_bits(Sampler *s) {               /* 32 of them (Matsumoto and Nishimura 1998) */
    uint32_t *r = s->random;
    for (uint32_t i = 0; s->drawn == 624 && i < 624; i++) {
        uint32_t mixed = (r[i] & 0x80000000u) | (r[(i + 1) % 624] & 0x7FFFFFFFu);
        r[i] = r[(i + 397) % 624] ^ mixed >> 1 ^ (mixed & 1 ? 0x9908B0DFu : 0);
    }
    uint32_t bits = r[s->drawn %= 624];
    s->drawn++, bits ^= bits >> 11, bits ^= bits << 7 & 0x9D2C5680u, bits ^= bits << 15 & 0xEFC60000u;
    return bits ^ bits >> 18;
}
static int by_logit(const void *a, const void *b) {
    const Candidate *x = a, *y = b;
    return x->logit != y->logit ? (x->logit < y->logit ? 1 : -1) : x->id < y->id ? -1 : 1;
}

/* Temperature, top-k, top-p, min-p, in this order; then the distribution is inverted at a random point. */
static uint32_t choose(Sampler *s, const float *logits, uint32_t n) {
    uint32_t best = 0, count = 0, kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!isfinite(logits[i])) fail("the model gives no numbers; the parameters are damaged");
        best = logits[i] > logits[best] ? i : best;
    }
    if (s->temperature == 0) return best;
    Candidate *c = allocate(n, sizeof *c);
    for (uint32_t i = 0; i < n; i++) {                  /* beyond e^-30 of the best, a token is never drawn */
        float logit = logits[i] / (float)s->temperature;
        if (logit > logits[best] / (float)s->temperature - 30) c[count++] = (Candidate){logit, i};
    }
    qsort(c, count, sizeof *c, by_logit);
    while (s->top_k > 0 && count > s->top_k && c[count - 1].logit < c[(uint32_t)s->top_k - 1].logit) count--;
    double total = 0, sum = 0, most = c[0].logit;
    for (uint32_t i = 0; i < count; i++) total += exp(c[i].logit - most);
    while (kept < count && sum < s->top_p * total && exp(c[kept].logit - most) >= s->min_p)
        sum += exp(c[kept++].logit - most);
    uint64_t bits = random_bits(s) << 32;
    double point = (double)((bits | random_bits(s)) & ((1ull << 53) - 1)) * 0x1p-53 * sum;
    for (sum = 1, best = 0; best + 1 < kept && sum <= point;) sum += exp(c[++best].logit - most);
    best = c[best].id;
    free(c);
    return best;
}

/* ---- The program --------------------------------------------------------------------------------------------- */
typedef struct { uint8_t held[4]; size_t count; } Writer;      /* bytes of a character not yet complete */
static void write_bytes(Writer *w, const uint8_t *bytes, size_t n, bool last) {
    for (size_t i = 0; i < n || (last && w->count);) {
        if (i < n && w->count < 4) w->held[w->count++] = bytes[i++];
        uint32_t code; int need, length = read_character(w->held, w->count, &code, &need);
        if (length < 0 && (!last || i < n)) continue;
        fwrite(length > 0 ? (const char *)w->held : "\xEF\xBF\xBD", 1, length > 0 ? (size_t)length : 3, stdout);
        memmove(w->held, w->held + need, w->count -= (size_t)need);
    }
    fflush(stdout);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

typedef struct { const char *prompt; double tokens, context, seed, chat, ids, encode; Sampler sampler; } Options;

/* Reads `prompt`, then draws and writes until a token with one of the flags in `stops`, until enough are drawn or the
   room is full. Special tokens are written in a chat only. `blank`: a first blank is not the text's. */
static void speak(State *s, Options *o, const Ids *prompt, uint8_t stops, bool blank) {
    const Model *m = s->m;
    Writer writer = {.count = 0};
    double begun = seconds(), read;
    uint32_t drawn = 0, id;
    for (size_t i = 0, left; (left = prompt->count - i); i += left < BATCH ? left : BATCH)
        read_batch(s, prompt->ids + i, left < BATCH ? (int)left : BATCH);
    size_t n;
    for (read = seconds(); drawn < o->tokens; read_batch(s, &id, 1)) {
        id = choose(&o->sampler, s->logits, m->head->tokens);
        if (m->flags[id] & stops) break;
        const uint8_t *bytes = token_bytes(m, id, &n);
        bool skip = blank && drawn == 0 && n && bytes[0] == ' ';
        if (o->ids) printf("%u ", id);
        else if (o->chat || !(m->flags[id] & SPECIAL)) write_bytes(&writer, bytes + skip, n - skip, false);
        if (++drawn, s->length + 1 >= s->limit) break;
    }
    write_bytes(&writer, (const uint8_t *)"\n", 1, true);
    fprintf(stderr, "%zu tokens read at %.0f/s, %u written at %.1f/s\n", prompt->count,
            (double)prompt->count / (read - begun), drawn, drawn / (seconds() - read));
}

static void generate(const Model *m, Options *o) {
    static State s;                                     /* static: kept until the end, and so no leak */
    static Ids ids;
    if (m->head->start != NONE) push(&ids, (uint32_t)m->head->start);
    encode(m, (const uint8_t *)o->prompt, strlen(o->prompt), &ids);
    for (uint32_t id = 0; !ids.count && id < m->head->tokens; id++)     /* an empty text begins where one ended */
        if (m->flags[id] & STOP) push(&ids, id);
    if (!ids.count) fail("the prompt is empty; give a text with -p");
    if (ids.count >= o->context) fail("%zu tokens do not fit: the context holds %.0f", ids.count, o->context);
    new_state(&s, m, (uint32_t)fmin(o->context, (double)ids.count + o->tokens));
    if (!o->ids) fputs(o->prompt, stdout);
    speak(&s, o, &ids, STOP, m->head->words == SENTENCEPIECE && !*o->prompt);
}

/* The ids of a question in its turns, in which 0xFF and four bytes stand for a special token. */
static void add_question(const Model *m, int opening, const char *said, size_t size, Ids *ids) {
    size_t before = m->chat_bytes[opening], n = before + size + m->chat_bytes[1], from = ids->count = 0;
    uint8_t *text = allocate(n, 1);
    memcpy(text, m->chat[opening], before);
    memcpy(text + before, said, size);
    memcpy(text + before + size, m->chat[1], m->chat_bytes[1]);
    for (size_t i = before; i < before + size; i++) text[i] = text[i] == 0xFF ? '?' : text[i];
    for (size_t i = 0; i <= n; i++) {
        if (i < n && text[i] != 0xFF) continue;
        encode(m, text + from, i - from, ids);
        uint32_t id;
        if (i + 5 <= n) memcpy(&id, text + i + 1, 4), push(ids, id);
        from = i + 5, i += 4;
    }
    free(text);
}

static void chat(const Model *m, Options *o) {
    static State s;
    static Ids ids;
    static char *line; size_t room = 0;
    if (!m->chat_bytes[0]) fail("these parameters have no chat turns: the model continues texts; use -p");
    new_state(&s, m, (uint32_t)o->context);
    for (ssize_t size; fputs("> ", stderr), (size = getline(&line, &room, stdin)) >= 0;) {
        const char *blanks = " \t\r\n", *said = line + strspn(line, blanks);
        for (size -= said - line; size > 0 && strchr(blanks, said[size - 1]);) size--;
        if (size <= 0) continue;
        add_question(m, s.length ? 2 : 0, said, (size_t)size, &ids);
        if (s.length && s.length + ids.count >= s.limit) {
            s.length = 0, fputs("(the context is full: the conversation begins anew)\n", stderr);
            add_question(m, 0, said, (size_t)size, &ids);
        }
        if (ids.count < s.limit) speak(&s, o, &ids, STOP | TURN, false);
        else fprintf(stderr, "%zu tokens do not fit: the context holds %u\n", ids.count, s.limit);
    }
}

int main(int count, char **words) {
    Options o = {.prompt = "", .tokens = 256, .seed = (double)time(NULL), .sampler = {.temperature = .8, .top_p = .95}};
    struct { const char *name; double *value, low, high; } options[] = {
        {"-n", &o.tokens, 1, 1 << 28}, {"-t", &o.sampler.temperature, 0, 100}, {"-s", &o.seed, 0, UINT32_MAX},
        {"-k", &o.sampler.top_k, 1, 1 << 28}, {"--top-p", &o.sampler.top_p, 1e-6, 1},
        {"--min-p", &o.sampler.min_p, 0, 1}, {"-c", &o.context, 2, 1 << 28},
        {"--chat", &o.chat, 0, 0}, {"--ids", &o.ids, 0, 0}, {"--encode", &o.encode, 0, 0}, {NULL, NULL, 0, 0}};
    if (count < 2 || words[1][0] == '-')
        fail("run PARAMETERS [-p PROMPT | --chat | --encode] [-n TOKENS] [-t TEMPERATURE] [-s SEED] [-k TOP_K]"
             " [--top-p P] [--min-p P] [-c CONTEXT] [--ids]");
    for (int i = 2, j; i < count; i++) {
        if (!strcmp(words[i], "-p") && i + 1 < count) { o.prompt = words[++i]; continue; }
        for (j = 0; options[j].name && strcmp(words[i], options[j].name); j++);
        if (!options[j].name) fail("%s is unknown, or lacks its value", words[i]);
        if (options[j].low == options[j].high) { *options[j].value = true; continue; }
        char *end, *value = i + 1 < count ? words[++i] : "";
        double given = *options[j].value = strtod(value, &end);
        if (end == value || *end || !(given >= options[j].low && given <= options[j].high))
            fail("%s needs a number from %g to %g", options[j].name, options[j].low, options[j].high);
    }
    static Model m;
    open_model(&m, words[1]);
    o.context = fmin(o.context > 0 ? o.context : o.chat ? 4096 : m.head->context, m.head->context);
    seed(&o.sampler, (uint32_t)o.seed);
    if (!o.encode) (o.chat ? chat : generate)(&m, &o);
    static Ids ids;
    static char *line; size_t room = 0;
    for (ssize_t size; o.encode && (size = getline(&line, &room, stdin)) >= 0; ids.count = 0, putchar('\n')) {
        encode(&m, (const uint8_t *)line, (size_t)size - (line[size - 1] == '\n'), &ids);
        for (size_t i = 0; i < ids.count; i++) printf("%u ", ids.ids[i]);
    }
    return 0;
}

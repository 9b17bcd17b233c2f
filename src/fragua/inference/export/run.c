/* A language model in one file: it runs the parameters that `fragua export --to two-files` writes.

       cc -O3 -march=native -fopenmp run.c -lm -o run
       ./run parameters.bin -p "Había una vez" -n 100 -t 0.8 -s 7
       ./run parameters.bin --chat

   From top to bottom: the file, its tokenizer, the arithmetic, the transformer, the choice of a token, the program.
   The file is little-endian and memory-mapped; it is checked once, when it is opened, so that the rest may trust it. */

#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *form, ...) {
    va_list values;
    va_start(values, form);
    fputs("error: ", stderr);
    vfprintf(stderr, form, values);
    fputc('\n', stderr);
    va_end(values);
    exit(2);
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) fail("not enough memory for %zu bytes; choose a smaller context with -c", count * size);
    return memory;
}

/* ---- The file ------------------------------------------------------------------------------------------------ */

enum { VERSION = 1, GROUP = 64, ALIGNMENT = 64, NONE = -1 };
enum { FLOAT32, INT8, INT4 };                                      /* how matrices are stored */
enum { WORDS_GPT2, WORDS_QWEN2, SENTENCEPIECE };                   /* how a text is cut before merges */
enum { SPECIAL = 1, STOP = 2, TURN = 4 };      /* flags of a token: TURN ends an answer, STOP any text */
enum { ROPE, ENDS, BYTES, SORTED, FLAGS, MERGES, BYTE_IDS, LETTERS, NUMBERS, SPACES, CHAT_FIRST, CHAT_REPLY,
       CHAT_NEXT, SECTIONS };

typedef struct { uint64_t at, bytes; } Section;

typedef struct {
    char magic[8];
    uint32_t version, checksum;                 /* CRC-32 of the rest of the header */
    uint64_t header_bytes, file_bytes;          /* header_bytes: this struct and the sections; weights begin there */
    uint32_t dtype, layers, width, heads, kv_heads, head_width, ffn_width, rows, context;  /* rows: of the embedding */
    uint32_t qk_norm, biases, tied;
    float norm_eps, rope_theta, rope_scale;     /* theta is told; section ROPE holds the frequencies, scaled */
    uint32_t tokens, words, digits, whole_words;    /* digits: most in one piece; whole_words: no merges for them */
    int32_t start;                              /* the token before every text, or NONE */
    uint32_t trim;                              /* chat turns lose the white space around them */
    Section sections[SECTIONS];
} Header;

typedef struct { const void *data; const float *scales; uint32_t rows, columns; } Matrix;   /* columns: padded */
typedef struct { const float *attention_norm, *ffn_norm, *q_norm, *k_norm, *qkv_bias, *out_bias;
                 Matrix qkv, out, gate_up, down; } Layer;
typedef struct { const uint32_t (*range)[2]; uint32_t count; } Ranges;
typedef struct { uint32_t left, right, rank, result; } Merge;

typedef struct {
    const Header *head;
    const uint8_t *file, *bytes, *flags;
    uint64_t size;
    const float *frequencies, *norm;
    Matrix embedding, output;
    Layer *layers;
    const uint32_t *ends, *sorted;
    const int32_t *byte_ids;
    const Merge *merges;
    uint32_t sorted_count, merge_count;
    Ranges letters, numbers, spaces;
} Model;

static uint32_t padded(uint32_t n) { return (n + GROUP - 1) / GROUP * GROUP; }

static uint32_t checksum(const uint8_t *data, uint64_t bytes) {
    uint32_t crc = 0xFFFFFFFFu;
    for (uint64_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

/* The next `bytes` of the weights, from `*at` on; each tensor begins at a multiple of 64. */
static const void *take(const Model *m, uint64_t *at, uint64_t bytes) {
    if (*at > m->size || bytes > m->size - *at) fail("the parameters are truncated; export them again");
    const void *data = m->file + *at;
    *at += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return data;
}

static Matrix take_matrix(const Model *m, uint64_t *at, uint64_t rows, uint32_t columns) {
    Matrix matrix = {.rows = (uint32_t)rows, .columns = padded(columns)};
    uint64_t count = rows * matrix.columns;
    matrix.data = take(m, at, m->head->dtype == FLOAT32 ? 4 * count : m->head->dtype == INT8 ? count : count / 2);
    if (m->head->dtype != FLOAT32) matrix.scales = take(m, at, 4 * count / GROUP);
    return matrix;
}

static const void *section(const Model *m, int name, uint64_t unit, uint64_t *count) {
    Section s = m->head->sections[name];
    uint64_t end = m->head->header_bytes;
    bool fits = s.at >= sizeof(Header) && s.at <= end && s.bytes <= end - s.at;
    if (!fits || s.at % ALIGNMENT || s.bytes % unit) fail("section %d of the header is broken", name);
    *count = s.bytes / unit;
    return m->file + s.at;
}

static void check_ids(const uint32_t *ids, uint64_t count, uint64_t step, uint64_t limit) {
    for (uint64_t i = 0; i < count; i += step)
        if (ids[i] >= limit) fail("a token id in the header is out of range");
}

/* Chat text: bytes, in which 0xFF and four bytes stand for a special token. */
static void check_turn(const Model *m, int name) {
    uint64_t bytes, i;
    const uint8_t *turn = section(m, name, 1, &bytes);
    for (i = 0; i < bytes; i += turn[i] == 0xFF ? 5 : 1) {
        uint32_t id;
        if (turn[i] != 0xFF) continue;
        if (i + 5 > bytes) fail("a chat turn in the header is cut off");
        memcpy(&id, turn + i + 1, 4);
        check_ids(&id, 1, 1, m->head->tokens);
    }
}

static void check_shape(const Header *h) {
    uint64_t sizes[] = {h->layers, h->width, h->heads, h->kv_heads, h->head_width, h->ffn_width, h->rows, h->tokens};
    for (int i = 0; i < 8; i++)
        if (sizes[i] < 1 || sizes[i] > 1u << 24) fail("a size in the header is out of range");
    if (h->heads % h->kv_heads || h->head_width % 2 || h->tokens > h->rows || h->context < 1 ||
        h->context > 1u << 28 || (uint64_t)h->heads * h->head_width > 1u << 24)
        fail("the sizes in the header contradict each other");
    if (h->dtype > INT4 || h->words > SENTENCEPIECE || (h->start != NONE && (uint32_t)h->start >= h->tokens))
        fail("the header asks for what this program does not know");
}

static void read_tokenizer(Model *m) {
    const Header *h = m->head;
    uint64_t count, bytes, merges;
    m->bytes = section(m, BYTES, 1, &bytes);
    m->ends = section(m, ENDS, 4, &count);
    if (count != h->tokens) fail("the vocabulary in the header is incomplete");
    for (uint32_t i = 0; i < h->tokens; i++)
        if (m->ends[i] > bytes || (i && m->ends[i] < m->ends[i - 1])) fail("token %u in the header is broken", i);
    m->flags = section(m, FLAGS, 1, &count);
    if (count != h->tokens) fail("the vocabulary in the header is incomplete");
    m->sorted = section(m, SORTED, 4, &count);
    check_ids(m->sorted, m->sorted_count = (uint32_t)count, 1, h->tokens);
    m->merges = section(m, MERGES, sizeof(Merge), &merges);
    check_ids((const uint32_t *)m->merges + 3, 4 * (m->merge_count = (uint32_t)merges), 4, h->tokens);
    m->byte_ids = section(m, BYTE_IDS, 4, &count);
    if (count != 256) fail("the bytes in the header are incomplete");
    check_ids((const uint32_t *)m->byte_ids, 256, 1, h->tokens);
    Ranges *classes[] = {&m->letters, &m->numbers, &m->spaces};
    for (int i = 0; i < 3; i++) {
        classes[i]->range = section(m, LETTERS + i, 8, &count);
        classes[i]->count = (uint32_t)count;
    }
    for (int name = CHAT_FIRST; name <= CHAT_NEXT; name++) check_turn(m, name);
}

static void read_weights(Model *m) {
    const Header *h = m->head;
    uint64_t at = h->header_bytes, queries = (uint64_t)h->heads * h->head_width;
    uint64_t qkv = queries + 2 * (uint64_t)h->kv_heads * h->head_width;
    m->embedding = take_matrix(m, &at, h->rows, h->width);
    if (h->layers > m->size / (8 * (uint64_t)h->width)) fail("the parameters are truncated; export them again");
    m->layers = allocate(h->layers, sizeof(Layer));
    for (uint32_t i = 0; i < h->layers; i++) {
        Layer *layer = &m->layers[i];
        layer->attention_norm = take(m, &at, 4 * h->width);
        layer->qkv = take_matrix(m, &at, qkv, h->width);
        if (h->biases) layer->qkv_bias = take(m, &at, 4 * qkv);
        if (h->qk_norm) {
            layer->q_norm = take(m, &at, 4 * h->head_width);
            layer->k_norm = take(m, &at, 4 * h->head_width);
        }
        layer->out = take_matrix(m, &at, h->width, (uint32_t)queries);
        if (h->biases) layer->out_bias = take(m, &at, 4 * h->width);
        layer->ffn_norm = take(m, &at, 4 * h->width);
        layer->gate_up = take_matrix(m, &at, 2 * (uint64_t)h->ffn_width, h->width);
        layer->down = take_matrix(m, &at, h->width, h->ffn_width);
    }
    m->norm = take(m, &at, 4 * h->width);
    m->output = h->tied ? m->embedding : take_matrix(m, &at, h->rows, h->width);
    if (at != m->size) fail("the parameters have another size than their header says");
}

static void read_model(Model *m, const uint8_t *file, uint64_t size) {
    const Header *h = (const Header *)file;
    uint64_t count;
    *m = (Model){.head = h, .file = file, .size = size};
    if (size < sizeof(Header) || memcmp(h->magic, "fragua2f", 8)) fail("this is not a file of parameters");
    if (h->version != VERSION) fail("version %u; this program reads version %d", h->version, VERSION);
    if (h->file_bytes != size || h->header_bytes > size || h->header_bytes % ALIGNMENT ||
        h->header_bytes < sizeof(Header))
        fail("the parameters are truncated; export them again");
    if (checksum(file + 16, h->header_bytes - 16) != h->checksum) fail("the header is damaged; export the parameters again");
    check_shape(h);
    m->frequencies = section(m, ROPE, 4, &count);
    if (count != h->head_width / 2) fail("the rotary frequencies in the header are incomplete");
    read_tokenizer(m);
    read_weights(m);
}

static void open_model(Model *m, const char *path) {
    struct stat info;
    int file = open(path, O_RDONLY);
    if (file < 0 || fstat(file, &info)) fail("%s: cannot be read", path);
    if (!S_ISREG(info.st_mode) || info.st_size < (off_t)sizeof(Header)) fail("%s: is not a file of parameters", path);
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (data == MAP_FAILED) fail("%s: cannot be mapped into memory", path);
    close(file);
    read_model(m, data, (uint64_t)info.st_size);
}

/* ---- The tokenizer ------------------------------------------------------------------------------------------- */

typedef struct { uint32_t *ids; size_t count, room; } Ids;

static void push(Ids *ids, uint32_t id) {
    if (ids->count == ids->room) {
        ids->room = ids->room ? 2 * ids->room : 256;
        ids->ids = realloc(ids->ids, 4 * ids->room);
        if (!ids->ids) fail("not enough memory for the tokens");
    }
    ids->ids[ids->count++] = id;
}

static const uint8_t *token_bytes(const Model *m, uint32_t id, size_t *length) {
    uint32_t from = id ? m->ends[id - 1] : 0;
    *length = m->ends[id] - from;
    return m->bytes + from;
}

/* One character of UTF-8: its length; 0 where the bytes are none, -1 where they end too soon (Unicode 16.0, table 3-7).
   *need tells how many bytes of a character stand here: those that one U+FFFD replaces where it is not whole. */
static int read_character(const uint8_t *s, size_t n, uint32_t *code, int *need) {
    int length = s[0] < 0x80 ? 1 : s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF5 ? 4 : 0;
    uint8_t low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80, high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
    *code = length < 2 ? s[0] : s[0] & (0x7F >> length);
    for (*need = 1; *need < length; ++*need, low = 0x80, high = 0xBF) {
        if ((size_t)*need >= n) return -1;
        if (s[*need] < low || s[*need] > high) return 0;
        *code = *code << 6 | (s[*need] & 0x3F);
    }
    return length;
}

static uint32_t find(const Model *m, const uint8_t *text, size_t n) {      /* the token that is this text, or NONE */
    for (uint32_t low = 0, high = m->sorted_count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        size_t length;
        const uint8_t *token = token_bytes(m, m->sorted[middle], &length);
        int order = memcmp(token, text, length < n ? length : n);
        if (!order && length == n) return m->sorted[middle];
        if (order < 0 || (!order && length < n)) low = middle + 1;
        else high = middle;
    }
    return (uint32_t)NONE;
}

static const Merge *find_merge(const Model *m, uint32_t left, uint32_t right) {
    for (uint32_t low = 0, high = m->merge_count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        const Merge *merge = &m->merges[middle];
        if (merge->left == left && merge->right == right) return merge;
        if (merge->left < left || (merge->left == left && merge->right < right)) low = middle + 1;
        else high = middle;
    }
    return NULL;
}

/* Byte pair encoding of one piece: bytes or characters, of which the pair of lowest rank is merged, again and again. */
static void encode_piece(const Model *m, const uint8_t *text, size_t n, Ids *out) {
    if (m->head->whole_words) {
        uint32_t whole = find(m, text, n);
        if (whole != (uint32_t)NONE) { push(out, whole); return; }
    }
    size_t first = out->count;
    for (size_t i = 0; i < n;) {
        uint32_t code, id = (uint32_t)NONE;
        int need, length = m->head->words == SENTENCEPIECE ? read_character(text + i, n - i, &code, &need) : 1;
        if (m->head->words == SENTENCEPIECE && (id = find(m, text + i, (size_t)length)) != (uint32_t)NONE) push(out, id);
        else for (int j = 0; j < length; j++) push(out, (uint32_t)m->byte_ids[text[i + j]]);
        i += (size_t)length;
    }
    uint32_t *ids = out->ids + first;
    size_t count = out->count - first;
    const Merge **pairs = allocate(count, sizeof *pairs);           /* pairs[i] joins ids[i] and ids[i + 1] */
    for (size_t i = 0; i + 1 < count; i++) pairs[i] = find_merge(m, ids[i], ids[i + 1]);
    while (count > 1) {
        size_t best = count;
        for (size_t i = 0; i + 1 < count; i++)
            if (pairs[i] && (best == count || pairs[i]->rank < pairs[best]->rank)) best = i;
        if (best == count) break;
        ids[best] = pairs[best]->result;
        count--;
        memmove(ids + best + 1, ids + best + 2, (count - best - 1) * sizeof *ids);
        memmove(pairs + best, pairs + best + 1, (count - best) * sizeof *pairs);
        if (best) pairs[best - 1] = find_merge(m, ids[best - 1], ids[best]);
        if (best + 1 < count) pairs[best] = find_merge(m, ids[best], ids[best + 1]);
    }
    free(pairs);
    out->count = first + count;
}

enum { SIGN, LETTER, NUMBER, SPACE, NEWLINE, END_OF_TEXT };                    /* what a character is for the cutting */
typedef struct { uint32_t code; uint8_t kind; size_t at; } Character;

static bool among(Ranges ranges, uint32_t code) {
    for (uint32_t low = 0, high = ranges.count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (code < ranges.range[middle][0]) high = middle;
        else if (code >= ranges.range[middle][1]) low = middle + 1;
        else return true;
    }
    return false;
}

static uint8_t kind_of(const Model *m, uint32_t code) {
    if (code == '\r' || code == '\n') return NEWLINE;
    return among(m->letters, code) ? LETTER : among(m->numbers, code) ? NUMBER : among(m->spaces, code) ? SPACE : SIGN;
}

/* English contractions: 's 't 'm 'd 're 've 'll, in any case with the Qwen2 pattern (for which s is also U+017F). */
static size_t contraction(const Character *c, bool any_case) {
    if (c[0].code != '\'') return 0;
    uint32_t first = c[1].code, second = c[1].kind == END_OF_TEXT ? 0 : c[2].code;
    if (any_case) {
        first = first == 0x17F ? 's' : first < 128 ? first | 32 : first;
        second = second < 128 ? second | 32 : second;
    }
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
    bool pair = (first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l');
    return pair ? 3 : 0;
}

static size_t run_of(const Character *c, size_t from, uint8_t kind) {
    while (c[from].kind == kind) from++;
    return from;
}

/* How many characters the next piece has. The patterns are those of GPT-2, and of Qwen2 and Llama 3:
   contraction | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N}{1,digits} | ?[^\s\p{L}\p{N}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+ */
static size_t next_piece(const Model *m, const Character *c) {
    bool gpt2 = m->head->words == WORDS_GPT2;
    size_t n = contraction(c, !gpt2), lead = c[0].code == ' ', last = 0;
    if (n) return n;
    size_t before = gpt2 ? lead : c[0].kind == SIGN || c[0].kind == SPACE;
    if (c[0].kind == LETTER || (before && c[1].kind == LETTER)) return run_of(c, before, LETTER);
    if (gpt2 && c[lead].kind == NUMBER) return run_of(c, lead, NUMBER);
    if (c[0].kind == NUMBER) {
        for (n = 1; c[n].kind == NUMBER && n < m->head->digits;) n++;
        return n;
    }
    if (c[lead].kind == SIGN) {
        n = run_of(c, lead, SIGN);
        return gpt2 ? n : run_of(c, n, NEWLINE);
    }
    for (n = 0; c[n].kind == SPACE || c[n].kind == NEWLINE; n++)
        if (c[n].kind == NEWLINE) last = n + 1;
    if (last && !gpt2) return last;
    return c[n].kind == END_OF_TEXT || n == 1 ? n : n - 1;
}

/* The ids of a text; nothing in it becomes a special token, and bytes that are not UTF-8 count as U+FFFD. */
static void encode(const Model *m, const uint8_t *text, size_t n, Ids *out) {
    bool sentences = m->head->words == SENTENCEPIECE;
    uint8_t *valid = allocate(3 * n + 1, 1);
    Character *c = allocate(n + 2, sizeof *c);
    size_t bytes = 0, count = 0;
    if (sentences && n) valid[bytes++] = ' ';
    for (size_t i = 0; i < n; count++) {
        uint32_t code;
        int need, length = read_character(text + i, n - i, &code, &need);
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
    free(c);
    free(valid);
}

/* ---- The arithmetic ------------------------------------------------------------------------------------------ */

enum { BATCH = 32 };                                    /* tokens for which the weights are read once */

/* Inputs of a product, BATCH rows of `stride`: floats, and for int8 and int4 weights the same as whole numbers from
   -127 to 127 with a scale for each GROUP, and the sum of each GROUP. */
typedef struct { float *f, *scale; int8_t *q; int32_t *sum; uint32_t stride; } Inputs;

static void quantise(Inputs *x, size_t group) {
    const float *f = x->f + group * GROUP;
    float most = 0;
    int32_t sum = 0;
    for (int i = 0; i < GROUP; i++) most = fmaxf(most, fabsf(f[i]));
    float inverse = most > 0 && most < INFINITY ? 127 / most : 0;
    for (int i = 0; i < GROUP; i++) {
        float value = rintf(f[i] * inverse);
        value = value > -127 ? value : -127;            /* also where it is not a number */
        int8_t whole = (int8_t)(value < 127 ? value : 127);
        x->q[group * GROUP + i] = whole;
        sum += whole;
    }
    x->scale[group] = most / 127;
    x->sum[group] = sum;
}

/* Makes `rows` inputs of `columns` floats ready for matrices of this type. */
static void prepare(const Model *m, Inputs *x, int rows, uint32_t columns) {
    for (int row = 0; row < rows; row++) {
        size_t from = (size_t)row * x->stride;
        for (uint32_t i = columns; i < padded(columns); i++) x->f[from + i] = 0;
        if (m->head->dtype != FLOAT32)
            for (uint32_t g = 0; g < padded(columns) / GROUP; g++) quantise(x, from / GROUP + g);
    }
}

static float dot_float(const float *w, const float *x, uint32_t n) {
    float sums[16] = {0}, total = 0;                    /* sixteen sums, so that a compiler may use wide registers */
    for (uint32_t i = 0; i < n; i += 16)
        for (int j = 0; j < 16; j++) sums[j] += w[i + j] * x[i + j];
    for (int j = 0; j < 16; j++) total += sums[j];
    return total;
}

/* Weights are stored unsigned, 128 (int8) or 8 (int4) above their value: u8 x s8 is what processors multiply fastest.
   What that adds is the sum of the inputs times the offset, and is taken away once a group. */
static float dot_int8(const uint8_t *w, const float *scales, const Inputs *x, size_t from, uint32_t n) {
    const int8_t *q = x->q + from;
    float total = 0;
    for (uint32_t g = 0; g < n / GROUP; g++, w += GROUP, q += GROUP) {
        int32_t sum = 0;
        for (int i = 0; i < GROUP; i++) sum += w[i] * q[i];
        total += (float)(sum - 128 * x->sum[from / GROUP + g]) * (scales[g] * x->scale[from / GROUP + g]);
    }
    return total;
}

static float dot_int4(const uint8_t *w, const float *scales, const Inputs *x, size_t from, uint32_t n) {
    const int8_t *q = x->q + from;
    float total = 0;
    for (uint32_t g = 0; g < n / GROUP; g++, w += GROUP / 2, q += GROUP) {
        int32_t sum = 0;
        for (int i = 0; i < GROUP / 2; i++) sum += (w[i] & 15) * q[i];
        for (int i = 0; i < GROUP / 2; i++) sum += (w[i] >> 4) * q[GROUP / 2 + i];
        total += (float)(sum - 8 * x->sum[from / GROUP + g]) * (scales[g] * x->scale[from / GROUP + g]);
    }
    return total;
}

/* y (+)= x W^T + bias for `rows` inputs; each row of W is read once for all of them. */
static void multiply(const Model *m, Matrix w, const Inputs *x, int rows, float *y, const float *bias, bool add) {
#pragma omp parallel for schedule(static)
    for (uint32_t r = 0; r < w.rows; r++) {
        size_t at = (size_t)r * w.columns;
        const float *scales = w.scales + at / GROUP;
        for (int t = 0; t < rows; t++) {
            size_t from = (size_t)t * x->stride;
            float dot = m->head->dtype == INT8   ? dot_int8((const uint8_t *)w.data + at, scales, x, from, w.columns)
                        : m->head->dtype == INT4 ? dot_int4((const uint8_t *)w.data + at / 2, scales, x, from, w.columns)
                                                 : dot_float((const float *)w.data + at, x->f + from, w.columns);
            float *target = &y[(size_t)t * w.rows + r];
            *target = dot + (bias ? bias[r] : 0) + (add ? *target : 0);
        }
    }
}

static void embed(const Model *m, uint32_t id, float *x) {
    Matrix e = m->embedding;
    size_t at = (size_t)id * e.columns;
    for (uint32_t i = 0; i < m->head->width; i++) {
        size_t j = at + i, half = GROUP / 2;
        if (m->head->dtype == FLOAT32) x[i] = ((const float *)e.data)[j];
        else if (m->head->dtype == INT8) x[i] = (((const uint8_t *)e.data)[j] - 128) * e.scales[j / GROUP];
        else {
            uint8_t both = ((const uint8_t *)e.data)[j / GROUP * half + j % half];
            x[i] = ((j % GROUP < half ? both & 15 : both >> 4) - 8) * e.scales[j / GROUP];
        }
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
    float *cosines, *sines;                             /* [limit, head_width / 2] */
    float *stream, *qkv, *hidden, *logits;
    Inputs x;
} State;

static void new_state(State *s, const Model *m, uint32_t limit) {
    const Header *h = m->head;
    uint32_t queries = h->heads * h->head_width, half = h->head_width / 2;
    uint32_t most = queries > h->ffn_width ? queries : h->ffn_width;
    size_t cache = (size_t)h->layers * limit * h->kv_heads * h->head_width;
    *s = (State){.m = m, .limit = limit, .x.stride = padded(most > h->width ? most : h->width)};
    size_t inputs = (size_t)BATCH * s->x.stride;
    s->keys = allocate(cache, 4), s->values = allocate(cache, 4);
    s->cosines = allocate((size_t)limit * half, 4), s->sines = allocate((size_t)limit * half, 4);
    s->stream = allocate((size_t)BATCH * h->width, 4), s->logits = allocate(h->rows, 4);
    s->qkv = allocate(BATCH * ((size_t)queries + 2 * (size_t)h->kv_heads * h->head_width), 4);
    s->hidden = allocate(2 * (size_t)BATCH * h->ffn_width, 4);
    s->x.f = allocate(inputs, 4), s->x.q = allocate(inputs, 1);
    s->x.scale = allocate(inputs / GROUP, 4), s->x.sum = allocate(inputs / GROUP, 4);
    for (size_t i = 0; i < (size_t)limit * half; i++) {
        float angle = (float)(i / half) * m->frequencies[i % half];
        s->cosines[i] = cosf(angle) * h->rope_scale, s->sines[i] = sinf(angle) * h->rope_scale;
    }
}

static void turn(const State *s, float *head, uint32_t position) {      /* RoPE: turns each pair (i, i + half) */
    uint32_t half = s->m->head->head_width / 2;
    const float *cosine = s->cosines + (size_t)position * half, *sine = s->sines + (size_t)position * half;
    for (uint32_t i = 0; i < half; i++) {
        float a = head[i], b = head[i + half];
        head[i] = a * cosine[i] - b * sine[i];
        head[i + half] = b * cosine[i] + a * sine[i];
    }
}

/* One query over the keys before it: softmax in one pass, rescaled whenever a larger score comes. */
static void attend(const float *q, const float *keys, const float *values, uint32_t n, size_t stride, uint32_t width,
                   float *y) {
    float most = -INFINITY, sum = 0, scale = 1 / sqrtf((float)width);
    memset(y, 0, width * sizeof *y);
    for (uint32_t i = 0; i < n; i++, keys += stride, values += stride) {
        float score = 0;
        for (uint32_t j = 0; j < width; j++) score += q[j] * keys[j];
        score *= scale;
        if (score > most) {
            float shrink = expf(most - score);
            for (uint32_t j = 0; j < width; j++) y[j] *= shrink;
            sum *= shrink, most = score;
        }
        float weight = expf(score - most);
        for (uint32_t j = 0; j < width; j++) y[j] += weight * values[j];
        sum += weight;
    }
    for (uint32_t j = 0; j < width; j++) y[j] /= sum;
}

static void attention(State *s, uint32_t number, int rows) {
    const Header *h = s->m->head;
    const Layer *layer = &s->m->layers[number];
    uint32_t e = h->head_width, queries = h->heads * e, keys = h->kv_heads * e, group = h->heads / h->kv_heads;
    size_t base = (size_t)number * s->limit * keys;
#pragma omp parallel for schedule(static)
    for (int t = 0; t < rows; t++) {
        float *qkv = s->qkv + (size_t)t * (queries + 2 * keys);
        uint32_t position = s->length + (uint32_t)t;
        for (uint32_t head = 0; head < h->heads + h->kv_heads; head++) {
            const float *gain = head < h->heads ? layer->q_norm : layer->k_norm;
            if (gain) normalise(qkv + head * e, qkv + head * e, gain, e, h->norm_eps);
            turn(s, qkv + head * e, position);
        }
        memcpy(s->keys + base + (size_t)position * keys, qkv + queries, keys * sizeof(float));
        memcpy(s->values + base + (size_t)position * keys, qkv + queries + keys, keys * sizeof(float));
    }
#pragma omp parallel for collapse(2) schedule(static)
    for (int t = 0; t < rows; t++)
        for (uint32_t head = 0; head < h->heads; head++) {
            size_t from = base + head / group * e;
            attend(s->qkv + (size_t)t * (queries + 2 * keys) + head * e, s->keys + from, s->values + from,
                   s->length + (uint32_t)t + 1, keys, e, s->x.f + (size_t)t * s->x.stride + head * e);
        }
    prepare(s->m, &s->x, rows, queries);
}

static void norm_inputs(State *s, const float *gain, int rows) {
    const Header *h = s->m->head;
    for (int t = 0; t < rows; t++)
        normalise(s->x.f + (size_t)t * s->x.stride, s->stream + (size_t)t * h->width, gain, h->width, h->norm_eps);
    prepare(s->m, &s->x, rows, h->width);
}

/* Reads at most BATCH tokens; afterwards s->logits are those after the last. */
static void read_batch(State *s, const uint32_t *ids, int rows) {
    const Model *m = s->m;
    const Header *h = m->head;
    for (int t = 0; t < rows; t++) embed(m, ids[t], s->stream + (size_t)t * h->width);
    for (uint32_t number = 0; number < h->layers; number++) {
        const Layer *layer = &m->layers[number];
        norm_inputs(s, layer->attention_norm, rows);
        multiply(m, layer->qkv, &s->x, rows, s->qkv, layer->qkv_bias, false);
        attention(s, number, rows);
        multiply(m, layer->out, &s->x, rows, s->stream, layer->out_bias, true);
        norm_inputs(s, layer->ffn_norm, rows);
        multiply(m, layer->gate_up, &s->x, rows, s->hidden, NULL, false);
#pragma omp parallel for collapse(2) schedule(static)
        for (int t = 0; t < rows; t++)
            for (uint32_t i = 0; i < h->ffn_width; i++) {       /* SwiGLU: silu(gate) * up */
                const float *gate = s->hidden + 2 * (size_t)t * h->ffn_width;
                s->x.f[(size_t)t * s->x.stride + i] = gate[i] / (1 + expf(-gate[i])) * gate[h->ffn_width + i];
            }
        prepare(m, &s->x, rows, h->ffn_width);
        multiply(m, layer->down, &s->x, rows, s->stream, NULL, true);
    }
    memmove(s->stream, s->stream + (size_t)(rows - 1) * h->width, h->width * sizeof(float));
    norm_inputs(s, m->norm, 1);
    multiply(m, m->output, &s->x, 1, s->logits, NULL, false);
    s->length += (uint32_t)rows;
}

static void read_ids(State *s, const uint32_t *ids, size_t count) {
    for (size_t i = 0; i < count; i += BATCH) read_batch(s, ids + i, count - i < BATCH ? (int)(count - i) : BATCH);
}

/* ---- The choice of a token ----------------------------------------------------------------------------------- */

typedef struct { float temperature, top_p, min_p; uint32_t top_k; uint32_t random[624], drawn; } Sampler;
typedef struct { float logit; uint32_t id; } Candidate;

static void seed(Sampler *s, uint32_t value) {          /* MT19937, seeded as PyTorch and NumPy do */
    s->drawn = 624;
    s->random[0] = value;
    for (uint32_t i = 1; i < 624; i++) s->random[i] = value = 1812433253u * (value ^ value >> 30) + i;
}

static uint32_t random_bits(Sampler *s) {               /* Matsumoto and Nishimura 1998 */
    uint32_t *r = s->random;
    if (s->drawn == 624)
        for (uint32_t i = s->drawn = 0; i < 624; i++) {
            uint32_t mixed = (r[i] & 0x80000000u) | (r[(i + 1) % 624] & 0x7FFFFFFFu);
            r[i] = r[(i + 397) % 624] ^ mixed >> 1 ^ (mixed & 1 ? 0x9908B0DFu : 0);
        }
    uint32_t bits = r[s->drawn++];
    bits ^= bits >> 11;
    bits ^= bits << 7 & 0x9D2C5680u;
    bits ^= bits << 15 & 0xEFC60000u;
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
        if (logits[i] > logits[best]) best = i;
    }
    if (s->temperature == 0) return best;
    Candidate *c = allocate(n, sizeof *c);
    for (uint32_t i = 0; i < n; i++) {                  /* beyond e^-30 of the best, a token is never drawn */
        float logit = logits[i] / s->temperature;
        if (logit > logits[best] / s->temperature - 30) c[count++] = (Candidate){logit, i};
    }
    qsort(c, count, sizeof *c, by_logit);
    if (s->top_k)
        while (count > s->top_k && c[count - 1].logit < c[s->top_k - 1].logit) count--;
    double total = 0, sum = 0, most = c[0].logit;
    for (uint32_t i = 0; i < count; i++) total += exp(c[i].logit - most);
    for (; kept < count && sum < s->top_p * total && exp(c[kept].logit - most) >= s->min_p; kept++)
        sum += exp(c[kept].logit - most);
    uint64_t bits = (uint64_t)random_bits(s) << 32;
    bits |= random_bits(s);
    double point = (double)(bits & ((1ull << 53) - 1)) * 0x1p-53 * sum;
    uint32_t rank = 0;
    for (double passed = exp(c[0].logit - most); rank + 1 < kept && passed <= point;) passed += exp(c[++rank].logit - most);
    best = c[rank].id;
    free(c);
    return best;
}

/* ---- The program --------------------------------------------------------------------------------------------- */

typedef struct { uint8_t held[4]; size_t count; } Writer;      /* bytes of a character not yet complete */

static void write_bytes(Writer *w, const uint8_t *bytes, size_t n, bool last) {
    for (size_t i = 0; i < n || (last && w->count);) {
        uint32_t code;
        int need, length;
        while (w->count < 4 && i < n) w->held[w->count++] = bytes[i++];
        while (w->count && ((length = read_character(w->held, w->count, &code, &need)) >= 0 || last)) {
            if (length > 0) fwrite(w->held, 1, (size_t)length, stdout);
            else fputs("\xEF\xBF\xBD", stdout);
            memmove(w->held, w->held + need, w->count -= (size_t)need);
        }
    }
    fflush(stdout);
}

typedef struct { const char *prompt; uint32_t tokens, context, seed; bool chat, ids, encode; Sampler sampler; } Options;

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Reads `prompt`, then draws and writes until a token with one of the flags in `stops`, or until `o->tokens` are drawn
   or the room is full. Special tokens are written in a chat only. Tells the speed. */
static void speak(State *s, Options *o, const Ids *prompt, uint8_t stops, bool blank) {
    const Model *m = s->m;
    Writer writer = {.count = 0};
    double begun = seconds(), read;
    uint32_t drawn = 0;
    read_ids(s, prompt->ids, prompt->count);
    read = seconds();
    while (drawn < o->tokens) {
        uint32_t id = choose(&o->sampler, s->logits, m->head->tokens);
        if (m->flags[id] & stops) break;
        drawn++;
        size_t n;
        const uint8_t *bytes = token_bytes(m, id, &n);
        bool skip = blank && drawn == 1 && n && bytes[0] == ' ';        /* a sentence's first blank is not the text's */
        if (o->ids) printf("%u ", id);
        else if (o->chat || !(m->flags[id] & SPECIAL)) write_bytes(&writer, bytes + skip, n - skip, false);
        if (s->length == s->limit) break;
        read_batch(s, &id, 1);
    }
    write_bytes(&writer, NULL, 0, true);
    putchar('\n');
    fprintf(stderr, "%zu tokens read at %.0f/s, %u written at %.1f/s\n", prompt->count,
            (double)prompt->count / (read - begun), drawn, drawn / (seconds() - read));
}

static void generate(const Model *m, Options *o) {
    State s;
    Ids ids = {0};
    bool blank = m->head->words == SENTENCEPIECE && !*o->prompt;
    if (m->head->start != NONE) push(&ids, (uint32_t)m->head->start);
    encode(m, (const uint8_t *)o->prompt, strlen(o->prompt), &ids);
    for (uint32_t id = 0; !ids.count && id < m->head->tokens; id++)     /* an empty text begins where one ended */
        if (m->flags[id] & STOP) push(&ids, id);
    if (!ids.count) fail("the prompt is empty; give a text with -p");
    if (ids.count >= o->context) fail("%zu tokens do not fit: the context holds %u", ids.count, o->context);
    uint64_t limit = ids.count + (uint64_t)o->tokens;
    new_state(&s, m, limit < o->context ? (uint32_t)limit : o->context);
    if (!o->ids) fputs(o->prompt, stdout);
    speak(&s, o, &ids, STOP, blank);
}

static void add_turn(const Model *m, int name, Ids *ids, uint8_t *text, size_t *n) {
    const uint8_t *turn = m->file + m->head->sections[name].at, *end = turn + m->head->sections[name].bytes;
    for (uint32_t id; turn < end; turn++) {
        if (*turn != 0xFF) { text[(*n)++] = *turn; continue; }
        encode(m, text, *n, ids);
        memcpy(&id, turn + 1, 4);
        push(ids, id);
        *n = 0, turn += 4;
    }
}

static void chat(const Model *m, Options *o) {
    const Section *turns = m->head->sections + CHAT_FIRST;
    State s;
    char *line = NULL;
    size_t room = 0;
    if (!turns[0].bytes) fail("these parameters have no chat turns: the model continues texts; use -p");
    new_state(&s, m, o->context);
    for (ssize_t size; fputs("> ", stderr), (size = getline(&line, &room, stdin)) >= 0;) {
        const char *said = line;
        for (; size && strchr(m->head->trim ? " \t\r\n" : "\r\n", said[size - 1]); size--);
        for (; size && m->head->trim && strchr(" \t", *said); said++, size--);
        if (!size) continue;
        Ids ids = {0};
        uint8_t *text = allocate(turns[0].bytes + turns[1].bytes + turns[2].bytes + (size_t)size, 1);
        for (bool again = true; again;) {
            size_t n = ids.count = 0;
            add_turn(m, s.length ? CHAT_NEXT : CHAT_FIRST, &ids, text, &n);
            memcpy(text + n, said, (size_t)size);
            n += (size_t)size;
            add_turn(m, CHAT_REPLY, &ids, text, &n);
            encode(m, text, n, &ids);
            again = s.length && s.length + ids.count >= s.limit;
            if (again) fputs("(the context is full: the conversation begins anew)\n", stderr), s.length = 0;
        }
        if (ids.count < s.limit) speak(&s, o, &ids, STOP | TURN, false);
        else fprintf(stderr, "%zu tokens do not fit: the context holds %u\n", ids.count, s.limit);
        free(text), free(ids.ids);
    }
    free(line);
}

/* The ids of each line of standard input, one line each. */
static void encode_lines(const Model *m) {
    char *line = NULL;
    size_t room = 0;
    for (ssize_t size; (size = getline(&line, &room, stdin)) >= 0;) {
        Ids ids = {0};
        encode(m, (const uint8_t *)line, (size_t)size - (size && line[size - 1] == '\n'), &ids);
        for (size_t i = 0; i < ids.count; i++) printf("%s%u", i ? " " : "", ids.ids[i]);
        putchar('\n');
        free(ids.ids);
    }
    free(line);
}

static double number(const char *name, const char *text, double low, double high) {
    char *end;
    double value = text ? strtod(text, &end) : 0;
    if (!text || end == text || *end || !(value >= low && value <= high))
        fail("%s needs a number from %g to %g", name, low, high);
    return value;
}

int main(int count, char **words) {
    Options o = {.tokens = 256, .seed = (uint32_t)time(NULL), .sampler = {.temperature = 0.8f, .top_p = 0.95f}};
    if (count < 2 || words[1][0] == '-') {
        fputs("run PARAMETERS [-p PROMPT | --chat | --encode] [-n TOKENS] [-t TEMPERATURE] [-s SEED] [-k TOP_K]\n"
              "    [--top-p P] [--min-p P] [-c CONTEXT] [--ids]\n", stderr);
        return 2;
    }
    for (int i = 2; i < count; i++) {
        const char *name = words[i], *value = i + 1 < count ? words[i + 1] : NULL;
        if (!strcmp(name, "--chat")) o.chat = true;
        else if (!strcmp(name, "--encode")) o.encode = true;
        else if (!strcmp(name, "--ids")) o.ids = true;
        else if (i++, !strcmp(name, "-p") && value) o.prompt = value;
        else if (!strcmp(name, "-n")) o.tokens = (uint32_t)number(name, value, 1, 1 << 28);
        else if (!strcmp(name, "-t")) o.sampler.temperature = (float)number(name, value, 0, 100);
        else if (!strcmp(name, "-s")) o.seed = (uint32_t)number(name, value, 0, UINT32_MAX);
        else if (!strcmp(name, "-k")) o.sampler.top_k = (uint32_t)number(name, value, 1, 1 << 28);
        else if (!strcmp(name, "--top-p")) o.sampler.top_p = (float)number(name, value, 1e-6, 1);
        else if (!strcmp(name, "--min-p")) o.sampler.min_p = (float)number(name, value, 0, 1);
        else if (!strcmp(name, "-c")) o.context = (uint32_t)number(name, value, 2, 1 << 28);
        else fail("%s is unknown, or lacks its value", name);
    }
    Model m;
    open_model(&m, words[1]);
    uint32_t most = o.chat && m.head->context > 4096 && !o.context ? 4096 : m.head->context;
    if (!o.context || o.context > most) o.context = most;
    seed(&o.sampler, o.seed);
    if (!o.prompt) o.prompt = "";
    if (o.encode) encode_lines(&m);
    else if (o.chat) chat(&m, &o);
    else generate(&m, &o);
    return 0;
}

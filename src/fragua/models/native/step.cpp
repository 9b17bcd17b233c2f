// A decoder's forward over rows of several sequences at once, with keys and values in pages; and single products.
//
// A row is a token of a sequence at a position; rows of one sequence stand in order. Tensors are row-major floats.
#include "kernels.h"
#include <algorithm>
#include <vector>
#ifdef _OPENMP
#include <omp.h>
#endif

enum Activation : int32_t { SILU, GELU, GELU_NEW, RELU };

struct Norm {
    const float *gain, *bias;  // no bias: RMSNorm
};

struct Layer {
    Norm attention_norm, ffn_norm;
    const float *q_norm, *k_norm;  // or null
    Matrix qkv, out, up, down;
    int64_t window;  // positions seen, the own included; 0: all
};

struct Model {
    int64_t layers, width, heads, kv_heads, head_width, ffn_width, context, gated, activation;
    float eps, scale;
    const float *positions;  // learned, [context, width], or null
    const float *cos, *sin;  // rotary, [context, head_width], or null
    const Layer *layer;
    Norm norm;
    Matrix embedding;
};

struct Step {
    int64_t rows, page, pages;            // positions a page; entries a table
    const int64_t *ids, *position, *sequence;
    const int64_t *table;                 // [sequences, pages]
    float *const *keys, *const *values;   // one a layer: [pages, kv_heads, page, head_width] with these strides
    int64_t page_stride, head_stride, position_stride;
    float *states;                        // after the last norm, [rows, width]
    int64_t threads;
};

static int thread() {
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}
static int team() {
#ifdef _OPENMP
    return omp_get_num_threads();
#else
    return 1;
#endif
}
#define BARRIER _Pragma("omp barrier")

static int64_t part(int64_t n, int64_t k) { return n * k / team(); }
static int64_t padded(int64_t n) { return (n + GROUP - 1) / GROUP * GROUP; }

static constexpr int64_t BLOCK_BYTES = 256 << 10;  // of inputs that stay near while all weights pass by

template <int R>
static void rows_tile(const Matrix &m, int64_t o, int skip, const Inputs &x, int64_t row, int64_t n, float *y, bool add, bool ahead) {
    if (n < R) {
        if constexpr (R > 1) rows_tile<R - 1>(m, o, skip, x, row, n, y, add, ahead);
    } else if (ahead) tile<OUTPUTS, R, true>(m, o, skip, x, row, y, add);
    else tile<OUTPUTS, R, false>(m, o, skip, x, row, y, add);
}

// This thread's share of y (+)= x Wᵀ + bias. Needs four rows of weights at least.
static void product(const Matrix &m, const Inputs &x, int64_t rows, float *y, bool add) {
    int64_t units = (m.rows + OUTPUTS - 1) / OUTPUTS;
    int64_t begin = part(units, thread()) * OUTPUTS, end = std::min(part(units, thread() + 1) * OUTPUTS, m.rows);
    int64_t block = std::max<int64_t>(ROWS, BLOCK_BYTES / (m.columns * (m.kind == FLOAT32 ? 4 : 2)) / ROWS * ROWS);
    for (int64_t from = 0; from < rows; from += block) {
        int64_t to = std::min(from + block, rows), o = begin;
        if (rows == 1)
            for (; o + 2 * OUTPUTS <= end; o += 2 * OUTPUTS) tile<2 * OUTPUTS, 1, true>(m, o, 0, x, 0, y, add);
        for (; o < end; o += OUTPUTS) {
            int64_t first = std::min(o, m.rows - OUTPUTS);
            for (int64_t row = from; row < to; row += ROWS)
                rows_tile<ROWS>(m, first, (int)(o - first), x, row, to - row, y, add, row == from);
        }
    }
}

// 16-bit inputs of a row, the largest of which leaves a sum of all products within 32 bits.
static void quantise(const Matrix &m, const float *x, int16_t *q, float *scale) {
    Floats most = {}, nothing = {};  // 0, or not a number where an input is none: then the outputs are none, too
    int64_t n = m.columns, i = 0;
    for (; i + W <= n; i += W) {
        Floats v = load<Floats>(x + i), a = v < 0.0f ? -v : v;
        most = a > most ? a : most, nothing += v * 0.0f;
    }
    float largest = 0, broken = 0;
    for (int j = 0; j < W; j++) largest = std::max(largest, most[j]), broken += nothing[j];
    for (; i < n; i++) largest = std::max(largest, std::fabs(x[i])), broken += x[i] * 0.0f;
    largest += broken;
    float limit = m.kind == INT8 ? std::min<float>(32767, (float)(INT32_MAX / 127 / n)) : 32767;
    float inverse = largest > 1e-30f ? limit / largest : 0;
    *scale = largest / limit;
    for (i = 0; i + W <= n; i += W) {
        Floats v = load<Floats>(x + i) * inverse;
        Ints whole = __builtin_convertvector(v + (v < 0.0f ? splat(-0.5f) : splat(0.5f)), Ints);
        for (int j = 0; j < W; j++) q[i + j] = (int16_t)whole[j];
    }
    for (; i < n; i++) q[i] = (int16_t)std::lrintf(x[i] * inverse);
    for (; i < padded(n); i++) q[i] = 0;
}

static void normalise(const Norm &norm, const float *x, float *y, int64_t n, float eps) {
    float lanes[16] = {}, mean = 0, squares = 0;
    int64_t i = 0;
    if (norm.bias) {
        double sum = 0;
        for (i = 0; i < n; i++) sum += x[i];
        mean = (float)(sum / n);
    }
    for (i = 0; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++) lanes[j] += (x[i + j] - mean) * (x[i + j] - mean);
    for (; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
    for (int j = 0; j < 16; j++) squares += lanes[j];
    float scale = 1 / std::sqrt(squares / n + eps);
    for (i = 0; i < n; i++) y[i] = (x[i] - mean) * scale * norm.gain[i] + (norm.bias ? norm.bias[i] : 0);
}

static void embed(const Matrix &m, int64_t id, float *x) {
    int64_t groups = padded(m.columns) / GROUP;
    for (int64_t i = 0; i < m.columns; i++) {
        if (m.kind == FLOAT32) x[i] = ((const float *)m.data)[id * m.columns + i];
        else if (m.kind == INT8) x[i] = ((const int8_t *)m.data)[id * m.columns + i] * m.scale[id];
        else {
            int64_t g = i / GROUP, at = i % GROUP;
            uint16_t four = ((const uint16_t *)m.data)[(id * groups + g) * (GROUP / 4) + at % 16];
            x[i] = ((four >> at / 16 * 4 & 15) - 8) * m.scale[id * groups + g];
        }
    }
}

static void turn(float *x, const float *cos, const float *sin, int64_t e) {
    for (int64_t i = 0; i < e / 2; i++) {
        float a = x[i], b = x[i + e / 2];
        x[i] = a * cos[i] - b * sin[i], x[i + e / 2] = b * cos[i + e / 2] + a * sin[i + e / 2];
    }
}

static void activate(const Model &m, const float *up, float *y) {
    int64_t n = m.ffn_width, i = 0;
    const float *linear = m.gated ? up + n : nullptr;
    for (; i < n; i += W) {
        int64_t k = std::min<int64_t>(W, n - i);
        float part[W] = {}, other[W];
        memcpy(part, up + i, 4 * k);
        Floats x = load<Floats>(part), act;
        if (m.activation == SILU) act = x / (1.0f + exponential(-x));
        else if (m.activation == RELU) act = x > 0.0f ? x : splat(0);
        else if (m.activation == GELU_NEW)  // tanh z = 1 - 2 / (e^2z + 1)
            act = x - x / (1.0f + exponential(1.5957691216057308f * (x + 0.044715f * x * x * x)));
        else
            for (int j = 0; j < W; j++) act[j] = 0.5f * part[j] * (1 + std::erf(part[j] * 0.70710678f));
        if (linear) {
            memcpy(other, linear + i, 4 * k);
            act *= load<Floats>(other);
        }
        memcpy(y + i, &act, 4 * k);
    }
}

// What a step needs beside the caller's memory. One a thread that steps; grows, and is kept.
struct Room {
    std::vector<float> x, normed, qkv, mixed, up, scale;
    std::vector<int16_t> q;
    std::vector<int64_t> groups;
};
static thread_local Room room;

static Inputs prepare(const Matrix &m, const float *x, int64_t stride, int64_t rows, Room &r) {
    if (m.kind == FLOAT32) return {x, nullptr, nullptr, stride};
    int64_t wide = padded(m.columns);
    for (int64_t i = part(rows, thread()); i < part(rows, thread() + 1); i++)
        quantise(m, x + i * stride, r.q.data() + i * wide, r.scale.data() + i);
    return {nullptr, r.q.data(), r.scale.data(), wide};
}

// Scores, softmax and values of R rows of a sequence, one head.
template <int R>
static void attend(const Model &m, const Step &s, int64_t layer, int64_t row, int64_t head, const float *q,
                   int64_t q_stride, float *y, int64_t y_stride, std::vector<float> &scores) {
    int64_t e = m.head_width, last = s.position[row + R - 1], window = m.layer[layer].window;
    int64_t from = window ? std::max<int64_t>(0, s.position[row] - window + 1) : 0;
    from = from / W * W;
    int64_t wide = (last + 1 + W - 1) / W * W + W;
    scores.resize(R * wide);
    const int64_t *table = s.table + s.sequence[row] * s.pages;
    int64_t kv = head / (m.heads / m.kv_heads) * s.head_stride;
    for (int64_t at = from; at <= last;) {
        int64_t inside = at % s.page, n = std::min(s.page - inside, last + 1 - at);
        const float *keys = s.keys[layer] + table[at / s.page] * s.page_stride + kv + inside * s.position_stride;
        for (int64_t i = 0; i < n; i += 4) {
            float out[R][4];
            int64_t k = std::min<int64_t>(4, n - i);
            if (k == 4) dots<4, R, false>(keys + i * s.position_stride, s.position_stride, q, q_stride, e, out);
            else
                for (int64_t j = 0; j < k; j++) {
                    float one[R][4];
                    dots<4, R, false>(keys + (i + j) * s.position_stride, 0, q, q_stride, e, one);
                    for (int r = 0; r < R; r++) out[r][j] = one[r][0];
                }
            for (int r = 0; r < R; r++) memcpy(&scores[r * wide + at + i], out[r], 4 * k);
        }
        at += n;
    }
    float inverse[R];
    for (int r = 0; r < R; r++) {
        float *score = &scores[r * wide], most = -INFINITY;
        int64_t p = s.position[row + r], first = window ? std::max<int64_t>(0, p - window + 1) : 0;
        for (int64_t i = from; i < wide; i++) score[i] = i < first || i > p ? -INFINITY : score[i] * m.scale;
        for (int64_t i = from; i <= p; i++) most = std::max(most, score[i]);
        Floats sum = {};
        for (int64_t i = from; i < wide; i += W) {
            Floats v = exponential(load<Floats>(score + i) - most);
            memcpy(score + i, &v, sizeof v);
            sum += v;
        }
        Floats sums[4] = {sum};
        float total[4];
        sum4(sums, total);
        inverse[r] = 1 / total[0];
    }
    constexpr int C = 4;
    for (int r = 0; r < R; r++) std::fill_n(y + r * y_stride, e, 0.0f);
    for (int64_t at = from; at <= last;) {
        int64_t inside = at % s.page, n = std::min(s.page - inside, last + 1 - at), c = 0;
        const float *values = s.values[layer] + table[at / s.page] * s.page_stride + kv + inside * s.position_stride;
        for (; c + C * W <= e; c += C * W) {
            Floats acc[R][C];
            for (int r = 0; r < R; r++)
                for (int j = 0; j < C; j++) acc[r][j] = load<Floats>(y + r * y_stride + c + j * W);
            for (int64_t i = 0; i < n; i++)
                for (int j = 0; j < C; j++) {
                    Floats v = load<Floats>(values + i * s.position_stride + c + j * W);
                    for (int r = 0; r < R; r++) acc[r][j] = fma(splat(scores[r * wide + at + i]), v, acc[r][j]);
                }
            for (int r = 0; r < R; r++) memcpy(y + r * y_stride + c, acc[r], sizeof acc[r]);
        }
        for (; c < e; c++)
            for (int r = 0; r < R; r++)
                for (int64_t i = 0; i < n; i++)
                    y[r * y_stride + c] = __builtin_fmaf(scores[r * wide + at + i],
                                                         values[i * s.position_stride + c], y[r * y_stride + c]);
        at += n;
    }
    for (int r = 0; r < R; r++)
        for (int64_t c = 0; c < e; c++) y[r * y_stride + c] *= inverse[r];
}

template <int R>
static void attend_rows(int64_t n, const Model &m, const Step &s, int64_t layer, int64_t row, int64_t head, const float *q,
                        int64_t q_stride, float *y, int64_t y_stride, std::vector<float> &scores) {
    if (n == R) attend<R>(m, s, layer, row, head, q, q_stride, y, y_stride, scores);
    else if constexpr (R > 1) attend_rows<R - 1>(n, m, s, layer, row, head, q, q_stride, y, y_stride, scores);
}

static void block(const Model &m, const Step &s, int64_t number, Room &r, std::vector<float> &scores) {
    const Layer &layer = m.layer[number];
    int64_t e = m.head_width, queries = m.heads * e, stride = queries + 2 * m.kv_heads * e, d = m.width;
    int64_t begin = part(s.rows, thread()), end = part(s.rows, thread() + 1);
    for (int64_t i = begin; i < end; i++)
        normalise(layer.attention_norm, &r.x[i * d], &r.normed[i * d], d, m.eps);
    Inputs in = prepare(layer.qkv, r.normed.data(), d, s.rows, r);
    BARRIER
    product(layer.qkv, in, s.rows, r.qkv.data(), false);
    BARRIER
    for (int64_t i = begin; i < end; i++) {
        float *row = &r.qkv[i * stride];
        int64_t p = s.position[i], page = s.table[s.sequence[i] * s.pages + p / s.page];
        int64_t at = page * s.page_stride + p % s.page * s.position_stride;
        for (int64_t h = 0; h < m.heads + m.kv_heads; h++) {
            const float *gain = h < m.heads ? layer.q_norm : layer.k_norm;
            if (gain) normalise({gain, nullptr}, row + h * e, row + h * e, e, m.eps);
            if (m.cos) turn(row + h * e, m.cos + p * e, m.sin + p * e, e);
        }
        for (int64_t h = 0; h < m.kv_heads; h++) {
            memcpy(s.keys[number] + at + h * s.head_stride, row + queries + h * e, 4 * e);
            memcpy(s.values[number] + at + h * s.head_stride, row + queries + (m.kv_heads + h) * e, 4 * e);
        }
    }
    BARRIER
    int64_t groups = (int64_t)r.groups.size() - 1, jobs = groups * m.heads;
#pragma omp for schedule(dynamic, 1)
    for (int64_t job = 0; job < jobs; job++) {
        int64_t row = r.groups[job / m.heads], n = r.groups[job / m.heads + 1] - row, h = job % m.heads;
        attend_rows<ROWS>(n, m, s, number, row, h, &r.qkv[row * stride + h * e], stride,
                          &r.mixed[row * queries + h * e], queries, scores);
    }
    in = prepare(layer.out, r.mixed.data(), queries, s.rows, r);
    BARRIER
    product(layer.out, in, s.rows, r.x.data(), true);
    BARRIER
    for (int64_t i = begin; i < end; i++) normalise(layer.ffn_norm, &r.x[i * d], &r.normed[i * d], d, m.eps);
    in = prepare(layer.up, r.normed.data(), d, s.rows, r);
    BARRIER
    product(layer.up, in, s.rows, r.up.data(), false);
    BARRIER
    for (int64_t i = begin; i < end; i++) activate(m, &r.up[i * layer.up.rows], &r.up[i * layer.up.rows]);
    in = prepare(layer.down, r.up.data(), layer.up.rows, s.rows, r);
    BARRIER
    product(layer.down, in, s.rows, r.x.data(), true);
    BARRIER
}

// Returns 0, or 1 + a row whose token, position or page is out of range; then nothing is computed.
extern "C" int64_t fragua_step(const Model *model, const Step *step) {
    const Model &m = *model;
    const Step &s = *step;
    for (int64_t i = 0; i < s.rows; i++) {
        int64_t p = s.position[i];
        if (s.ids[i] < 0 || s.ids[i] >= m.embedding.rows || p < 0 || p >= std::min(m.context, s.pages * s.page))
            return 1 + i;
    }
    Room &r = room;
    int64_t d = m.width, queries = m.heads * m.head_width, up = m.layer[0].up.rows;
    int64_t widest = padded(std::max({d, queries, m.ffn_width}));
    auto grow = [](auto &v, int64_t n) { if ((int64_t)v.size() < n) v.resize(n); };
    grow(r.x, s.rows * d), grow(r.normed, s.rows * d), grow(r.mixed, s.rows * queries), grow(r.up, s.rows * up);
    grow(r.qkv, s.rows * (queries + 2 * m.kv_heads * m.head_width));
    grow(r.q, s.rows * widest), grow(r.scale, s.rows);
    r.groups.assign(1, 0);
    for (int64_t i = 1; i < s.rows; i++) {
        bool follows = s.sequence[i] == s.sequence[i - 1] && s.position[i] == s.position[i - 1] + 1;
        if (!follows || i - r.groups.back() == ROWS) r.groups.push_back(i);
    }
    r.groups.push_back(s.rows);
#pragma omp parallel num_threads(s.threads)
    {
        std::vector<float> scores;
        for (int64_t i = part(s.rows, thread()); i < part(s.rows, thread() + 1); i++) {
            embed(m.embedding, s.ids[i], &r.x[i * d]);
            for (int64_t j = 0; m.positions && j < d; j++) r.x[i * d + j] += m.positions[s.position[i] * d + j];
        }
        BARRIER
        for (int64_t layer = 0; layer < m.layers; layer++) block(m, s, layer, r, scores);
        for (int64_t i = part(s.rows, thread()); i < part(s.rows, thread() + 1); i++)
            normalise(m.norm, &r.x[i * d], s.states + i * d, d, m.eps);
    }
    return 0;
}

// y = x Wᵀ + bias
extern "C" void fragua_product(const Matrix *m, const float *x, int64_t rows, float *y, int64_t threads) {
    Room &r = room;
    r.q.resize(std::max<size_t>(r.q.size(), rows * padded(m->columns)));
    r.scale.resize(std::max<size_t>(r.scale.size(), rows));
#pragma omp parallel num_threads(threads)
    {
        Inputs in = prepare(*m, x, m->columns, rows, r);
        BARRIER
        product(*m, in, rows, y, false);
    }
}

// Products of float, int8 and int4 weights with rows of inputs, and the exponential.
//
// Every sum is taken in one order, whatever number of rows is computed beside it: a row's result does not depend on
// its batch. Weights stay where torch has them, row after row.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#if defined __AVX2__ && defined __FMA__
#include <immintrin.h>
#endif

enum Kind : int32_t { FLOAT32, INT8, INT4 };
constexpr int64_t GROUP = 64;  // int4 weights that share a scale, in 32 bytes

struct Matrix {          // [rows, columns]
    const void *data;    // int4: 16 bits hold weights i, i + 16, i + 32 and i + 48 of their group, plus 8, lowest first
    const float *scale;  // int8: one a row; int4: one a group
    const float *bias;   // or null
    int64_t rows, columns;
    int32_t kind;
};

// Rows of inputs, as floats or, for whole-numbered weights, as 16 bits times a scale a row.
struct Inputs {
    const float *f;
    const int16_t *q;
    const float *scale;
    int64_t stride;
};

#if defined __AVX512F__ && defined __AVX512BW__
constexpr int W = 16, ROWS = 6;
#elif defined __AVX2__ && defined __FMA__
constexpr int W = 8, ROWS = 3;
#else
constexpr int W = 4, ROWS = 2;
#endif
constexpr int OUTPUTS = 4;
typedef float Floats __attribute__((vector_size(4 * W)));
typedef int32_t Ints __attribute__((vector_size(4 * W)));
typedef int16_t Shorts __attribute__((vector_size(4 * W)));
typedef int8_t Bytes __attribute__((vector_size(2 * W)));

template <class V> static inline V load(const void *from) {
    V v;
    memcpy(&v, from, sizeof v);
    return v;
}
// In a register: compilers would rather load it again for each product, and loads are what there are too few of.
template <class V> static inline V held(V v) {
#if defined __AVX512F__
    __asm__("" : "+v"(v));
#elif defined __AVX2__
    __asm__("" : "+x"(v));
#endif
    return v;
}
static inline Floats splat(float x) { return Floats{} + x; }

// The weights after the O rows at hand, as far on as these are done. Rows are short: the processor sees no long stream.
template <int BYTES, bool AHEAD> static inline void fetch(const void *w, int64_t row_bytes, int O, int64_t done) {
    for (int i = 0; AHEAD && i < BYTES; i += 64) __builtin_prefetch((const char *)w + O * (row_bytes + done) + i, 0, 2);
}

static inline Floats fma(Floats a, Floats b, Floats c) {
#if defined __AVX512F__ && defined __AVX512BW__
    return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined __AVX2__ && defined __FMA__
    return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

// acc + the products of neighbours, added in pairs
static inline Ints multiply_pairs(Shorts a, Shorts b, Ints acc) {
#if defined __AVX512VNNI__
    return (Ints)_mm512_dpwssd_epi32((__m512i)acc, (__m512i)a, (__m512i)b);
#elif defined __AVX512F__ && defined __AVX512BW__
    return acc + (Ints)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined __AVX2__ && defined __FMA__
    return acc + (Ints)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#else
    for (int i = 0; i < W; i++) acc[i] += a[2 * i] * b[2 * i] + a[2 * i + 1] * b[2 * i + 1];
    return acc;
#endif
}

// The sums of four vectors, always by the same tree.
template <class V, class T> static inline void sum4(const V *v, T *out) {
#if defined __AVX2__ && defined __FMA__
    auto half = [](V x) {
#if defined __AVX512F__ && defined __AVX512BW__
        typedef T Half __attribute__((vector_size(32)));
        if constexpr (sizeof(V) == 64)
            return (Half)_mm512_castsi512_si256((__m512i)x) + (Half)_mm512_extracti64x4_epi64((__m512i)x, 1);
        else
#endif
            return x;
    };
    typedef T Quarter __attribute__((vector_size(16)));
    auto a = half(v[0]), b = half(v[1]), c = half(v[2]), d = half(v[3]);
    if constexpr (sizeof(T) == 4 && T(0.5) != T(0)) {
        __m256 s = _mm256_hadd_ps(_mm256_hadd_ps((__m256)a, (__m256)b), _mm256_hadd_ps((__m256)c, (__m256)d));
        __m128 r = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
        memcpy(out, &r, 16);
    } else {
        __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32((__m256i)a, (__m256i)b),
                                      _mm256_hadd_epi32((__m256i)c, (__m256i)d));
        Quarter r = (Quarter)_mm256_castsi256_si128(s) + (Quarter)_mm256_extracti128_si256(s, 1);
        memcpy(out, &r, 16);
    }
#else
    for (int i = 0; i < 4; i++) {
        T x[sizeof(V) / sizeof(T)];
        memcpy(x, &v[i], sizeof x);
        for (int h = sizeof(V) / sizeof(T) / 2; h; h /= 2)
            for (int j = 0; j < h; j++) x[j] += x[j + h];
        out[i] = x[0];
    }
#endif
}

// out[r][o] = dot(w[o], x[r]) over n floats; o counts up to O, a multiple of 4.
template <int O, int R, bool AHEAD>
static inline void dots(const float *w, int64_t w_stride, const float *x, int64_t x_stride, int64_t n, float (*out)[O]) {
    Floats acc[R][O] = {};
    int64_t k = 0;
    for (; k + W <= n; k += W) {
        fetch<4 * W * O, AHEAD>(w, 4 * w_stride, O, 4 * k);
        Floats xs[R];
        for (int r = 0; r < R; r++) xs[r] = held(load<Floats>(x + r * x_stride + k));
        for (int o = 0; o < O; o++) {
            Floats ws = held(load<Floats>(w + o * w_stride + k));
            for (int r = 0; r < R; r++) acc[r][o] = fma(ws, xs[r], acc[r][o]);
        }
    }
    for (int r = 0; r < R; r++) {
        for (int o = 0; o < O; o += 4) sum4(acc[r] + o, out[r] + o);
        for (int64_t i = k; i < n; i++)
            for (int o = 0; o < O; o++) out[r][o] = __builtin_fmaf(w[o * w_stride + i], x[r * x_stride + i], out[r][o]);
    }
}

template <int O, int R, bool AHEAD>
static inline void dots_int8(const Matrix &m, int64_t first, const Inputs &x, int64_t row, float (*out)[O]) {
    const int8_t *w = (const int8_t *)m.data + first * m.columns;
    const int16_t *q = x.q + row * x.stride;
    int64_t n = m.columns, k = 0;
    Ints acc[R][O] = {};
    for (; k + 2 * W <= n; k += 2 * W) {
        fetch<2 * W * O, AHEAD>(w, n, O, k);
        Shorts xs[R];
        for (int r = 0; r < R; r++) xs[r] = held(load<Shorts>(q + r * x.stride + k));
        for (int o = 0; o < O; o++) {
            Shorts ws = held(__builtin_convertvector(load<Bytes>(w + o * n + k), Shorts));
            for (int r = 0; r < R; r++) acc[r][o] = multiply_pairs(ws, xs[r], acc[r][o]);
        }
    }
    for (int r = 0; r < R; r++) {
        int32_t sums[O];
        for (int o = 0; o < O; o += 4) sum4(acc[r] + o, sums + o);
        for (int o = 0; o < O; o++) {
            for (int64_t i = k; i < n; i++) sums[o] += w[o * n + i] * q[r * x.stride + i];
            out[r][o] = (float)sums[o] * (m.scale[first + o] * x.scale[row + r]);
        }
    }
}

// 16 lanes whatever the processor, as a group has 16 times four weights.
typedef int16_t Lanes __attribute__((vector_size(32)));
typedef int32_t Sums __attribute__((vector_size(32)));
typedef float Totals __attribute__((vector_size(32)));
static inline Sums multiply_lanes(Lanes a, Lanes b, Sums acc) {
#if defined __AVX512VNNI__ && defined __AVX512VL__
    return (Sums)_mm256_dpwssd_epi32((__m256i)acc, (__m256i)a, (__m256i)b);
#elif defined __AVX2__
    return acc + (Sums)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#else
    for (int i = 0; i < 8; i++) acc[i] += a[2 * i] * b[2 * i] + a[2 * i + 1] * b[2 * i + 1];
    return acc;
#endif
}

template <int O, int R, bool AHEAD>
static inline void dots_int4(const Matrix &m, int64_t first, const Inputs &x, int64_t row, float (*out)[O]) {
    int64_t groups = (m.columns + GROUP - 1) / GROUP;
    const uint8_t *w = (const uint8_t *)m.data + first * groups * (GROUP / 2);
    const float *scale = m.scale + first * groups;
    const int16_t *q = x.q + row * x.stride;
    Totals total[R][O] = {};
    for (int64_t g = 0; g < groups; g++) {
        fetch<GROUP / 2 * O, AHEAD>(w, groups * GROUP / 2, O, g * GROUP / 2);
        Sums offset[R] = {};  // weights are stored 8 above their value
        for (int r = 0; r < R; r++)
            for (int j = 0; j < 4; j++)
                offset[r] = multiply_lanes(Lanes{} - (int16_t)8, load<Lanes>(q + r * x.stride + g * GROUP + 16 * j), offset[r]);
        for (int o = 0; o < O; o++) {
            typedef uint16_t Four __attribute__((vector_size(32)));
            Four four = load<Four>(w + (o * groups + g) * (GROUP / 2));
            Lanes parts[4] = {(Lanes)(four & 15), (Lanes)(four >> 4 & 15), (Lanes)(four >> 8 & 15), (Lanes)(four >> 12)};
            Totals by = Totals{} + scale[o * groups + g];
            for (int r = 0; r < R; r++) {
                Sums acc = offset[r];
                for (int j = 0; j < 4; j++)
                    acc = multiply_lanes(parts[j], load<Lanes>(q + r * x.stride + g * GROUP + 16 * j), acc);
                Totals value = __builtin_convertvector(acc, Totals);
#if defined __FMA__
                total[r][o] = (Totals)_mm256_fmadd_ps((__m256)value, (__m256)by, (__m256)total[r][o]);
#else
                total[r][o] += value * by;
#endif
            }
        }
    }
    for (int r = 0; r < R; r++) {
        for (int o = 0; o < O; o += 4) sum4(total[r] + o, out[r] + o);
        for (int o = 0; o < O; o++) out[r][o] *= x.scale[row + r];
    }
}

// y (+)= x Wᵀ + bias for rows from `row` and outputs from `first` on; the first `skip` of these are left as they are.
template <int O, int R, bool AHEAD>
static inline void tile(const Matrix &m, int64_t first, int skip, const Inputs &x, int64_t row, float *y, bool add) {
    float out[R][O];
    if (m.kind == FLOAT32)
        dots<O, R, AHEAD>((const float *)m.data + first * m.columns, m.columns, x.f + row * x.stride, x.stride, m.columns, out);
    else if (m.kind == INT8)
        dots_int8<O, R, AHEAD>(m, first, x, row, out);
    else
        dots_int4<O, R, AHEAD>(m, first, x, row, out);
    for (int r = 0; r < R; r++)
        for (int o = skip; o < O; o++) {
            float *target = y + (row + r) * m.rows + first + o;
            float value = m.bias ? out[r][o] + m.bias[first + o] : out[r][o];
            *target = add ? *target + value : value;
        }
}

// e^x; 0 under -87
static inline Floats exponential(Floats x) {
    x = x > 88.0f ? splat(88.0f) : x;
    Floats kept = x < -87.0f ? splat(-87.0f) : x;
    Ints n = __builtin_convertvector(kept * 1.44269504088896341f + (kept < 0.0f ? splat(-0.5f) : splat(0.5f)), Ints);
    Floats whole = __builtin_convertvector(n, Floats);
    Floats r = fma(whole, splat(-0.693359375f), kept);
    r = fma(whole, splat(2.12194440e-4f), r);
    Floats p = splat(1.9875691500e-4f);  // coefficients of Cephes' expf
    for (float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
        p = fma(p, r, splat(c));
    Floats power = (Floats)((n + 127) << 23);
    Floats y = fma(p, r * r, r + 1.0f) * power;
    return x < -87.0f ? splat(0.0f) : y;
}

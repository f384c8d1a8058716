/* SSE arithmetic in hot loops under several control words: prints a hash of every result and of the exception flags. */
#include <emmintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define COUNT 64

static double d[COUNT];
static float f[COUNT];
static uint32_t seed = 12345;

static uint32_t next(void) { return seed = seed * 1664525u + 1013904223u; }

/* Mostly everyday numbers; with `odd` some zeros, denormals, infinities, NaNs and numbers near the ends. */
static void fill(int odd) {
  static const uint64_t corners[] = {0, 1, 0x8000000000000000, 0x000fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff,
                                     0x7ff0000000000000, 0x7ff8000000000001, 0x7ff4000000000001, 0x3ff0000000000000};
  static const uint32_t short_corners[] = {0, 1, 0x80000000, 0x007fffff, 0x00800000, 0x7f7fffff,
                                           0x7f800000, 0x7fc00001, 0x7fa00001, 0x3f800000};
  for (int i = 0; i < COUNT; i++) {
    d[i] = ((int32_t)next() / 65536.0) + 0.5;
    f[i] = (float)((int32_t)next() / 1048576.0) + 0.25f;
    if (odd && next() % 4 == 0) {
      memcpy(&d[i], &corners[next() % 10], 8);
      memcpy(&f[i], &short_corners[next() % 10], 4);
    }
  }
}

static uint64_t hash;
static void note(const void *p, int n) {
  const uint8_t *bytes = p;
  for (int i = 0; i < n; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
}

#define SCALAR(op)                                                        \
  for (int i = 0; i < COUNT; i++) {                                       \
    __m128d x = _mm_load_sd(&d[i]);                                       \
    __m128 y = _mm_load_ss(&f[i]);                                        \
    x = _mm_##op##_sd(x, _mm_load_sd(&d[(i * 7 + k) % COUNT]));           \
    y = _mm_##op##_ss(y, _mm_load_ss(&f[(i * 5 + k) % COUNT]));           \
    x = _mm_add_sd(x, _mm_load_sd(&d[(i + 1) % COUNT]));                  \
    y = _mm_mul_ss(y, _mm_load_ss(&f[(i + 3) % COUNT]));                  \
    note(&x, 8);                                                          \
    note(&y, 4);                                                          \
  }

#define PACKED(op)                                                        \
  for (int i = 0; i + 4 <= COUNT; i += 2) {                               \
    __m128d x = _mm_##op##_pd(_mm_loadu_pd(&d[i]), _mm_loadu_pd(&d[(i * 3 + k) % (COUNT - 2)])); \
    __m128 y = _mm_##op##_ps(_mm_loadu_ps(&f[i]), _mm_loadu_ps(&f[(i * 3 + k) % (COUNT - 4)])); \
    x = _mm_sub_pd(x, _mm_loadu_pd(&d[i]));                               \
    y = _mm_add_ps(y, _mm_loadu_ps(&f[i]));                               \
    note(&x, 16);                                                         \
    note(&y, 16);                                                         \
  }

static void run(unsigned control, int odd) {
  fill(odd);
  hash = 0xcbf29ce484222325u;
  _mm_setcsr(control);
  for (int k = 0; k < 12; k++) {
    SCALAR(add) SCALAR(sub) SCALAR(mul) SCALAR(div) SCALAR(min) SCALAR(max)
    PACKED(add) PACKED(sub) PACKED(mul) PACKED(div) PACKED(min) PACKED(max)
    for (int i = 0; i < COUNT; i++) {
      int less = _mm_comilt_sd(_mm_load_sd(&d[i]), _mm_load_sd(&d[(i + k) % COUNT]));
      int equal = _mm_ucomieq_ss(_mm_load_ss(&f[i]), _mm_load_ss(&f[(i + k) % COUNT]));
      int whole = _mm_cvtsd_si32(_mm_load_sd(&d[i]));
      int cut = _mm_cvttss_si32(_mm_load_ss(&f[i]));
      __m128 narrow = _mm_cvtsd_ss(_mm_setzero_ps(), _mm_load_sd(&d[i]));
      __m128d root = _mm_sqrt_pd(_mm_loadu_pd(&d[i < COUNT - 1 ? i : 0]));
      __m128 short_root = _mm_sqrt_ss(_mm_load_ss(&f[i]));
      note(&root, 16);
      note(&short_root, 4);
      note(&less, 4);
      note(&equal, 4);
      note(&whole, 4);
      note(&cut, 4);
      note(&narrow, 4);
    }
    unsigned flags = _mm_getcsr();
    note(&flags, 4);
    if (k % 4 == 3) _mm_setcsr(flags & ~0x3fu);
  }
  unsigned flags = _mm_getcsr();
  _mm_setcsr(0x1f80);
  printf("%04x %d: %016llx %04x\n", control, odd, (unsigned long long)hash, flags);
}

static void mix(const void *p, int n) {
  uint64_t bits = 0;
  for (int at = 0; at < n; at += 8) {
    memcpy(&bits, (const char *)p + at, n - at < 8 ? n - at : 8);
    hash = (hash << 7 | hash >> 57) + bits;
  }
}

/*
 * Results that are exact, so that the inexact flag stays clear for long: numbers of few bits (0), many of them zeros (1), far
 * from 1 (2, 3), so small that differences are denormal (4), and at times one of many bits (5).
 */
static void exact(unsigned control, int kind) {
  static const double scales[] = {1, 1, 0x1p-300, 0x1p300, 0x1p-1020, 1};
  static const float short_scales[] = {1, 1, 0x1p-50f, 0x1p50f, 0x1p-124f, 1};
  _mm_setcsr(0x1f80);
  for (int i = 0; i < COUNT; i++) {
    int value = (int)(next() >> 20) % 400 - 200;
    if (kind == 1 && next() >> 30 == 0) value = 0;
    d[i] = (value / 8.0 + (kind == 4 ? 64 : 0)) * scales[kind];
    f[i] = (value / 8.0f + (kind == 4 ? 64 : 0)) * short_scales[kind];
    if (kind == 1 && i % 3 == 0) d[i] = -d[i], f[i] = -f[i];
  }
  hash = 0xcbf29ce484222325u;
  _mm_setcsr(control);
  for (int k = 0; k < 1500; k++) {
    if (kind == 5 && k % 500 == 499) d[k % COUNT] = 1 / 3.0, f[k % COUNT] = 1 / 7.0f;
    int far = kind == 2 || kind == 3;
    double x = far ? 4 : d[k % COUNT];
    float y = far ? 4 : f[k % COUNT];
    __m128 ps = _mm_set1_ps(y);
    for (int i = 0; i < COUNT - 4; i++) {
      double sum = d[i] * x + d[i + 1];
      float short_sum = f[i + 1] * y - f[i];
      double difference = d[i] - d[i + 2];
      __m128d pd = _mm_add_pd(_mm_mul_pd(_mm_loadu_pd(&d[i]), _mm_set1_pd(x)), _mm_loadu_pd(&d[i + 2]));
      __m128 packed = _mm_sub_ps(_mm_mul_ps(_mm_loadu_ps(&f[i]), ps), _mm_loadu_ps(&f[i + 1]));
      __m128d quotient = _mm_div_sd(_mm_load_sd(&d[i]), _mm_set_sd(0x1p-2));
      __m128d root = _mm_sqrt_sd(_mm_setzero_pd(), _mm_set_sd(i * i * 0x1p-20));
      mix(&sum, 8);
      mix(&short_sum, 4);
      mix(&difference, 8);
      mix(&pd, 16);
      mix(&packed, 16);
      mix(&quotient, 8);
      mix(&root, 8);
    }
    if (k % 128 == 127) {
      unsigned flags = _mm_getcsr();
      mix(&flags, 4);
      _mm_setcsr(flags & ~0x3fu);
    }
  }
  unsigned flags = _mm_getcsr();
  _mm_setcsr(0x1f80);
  printf("%04x exact %d: %016llx %04x\n", control, kind, (unsigned long long)hash, flags);
}

int main(void) {
  static const unsigned controls[] = {0x1f80, 0x1fa0, 0x3f80, 0x5f80, 0x7f80, 0x9fc0, 0x1fc0, 0x9f80, 0x1fbf};
  for (int round = 0; round < 3; round++)
    for (int odd = 0; odd < 2; odd++)
      for (unsigned i = 0; i < sizeof controls / sizeof *controls; i++) run(controls[i], odd);
  for (unsigned i = 0; i < sizeof controls / sizeof *controls - 1; i++)
    for (int kind = 0; kind < 6; kind++) exact(controls[i], kind);
  return 0;
}

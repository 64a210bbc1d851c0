/* Continued fractions on allocated bignums, the allocation pattern of Barrett's "cfrac" (used by
   Zorn & Grunwald, "Empirical Measurements of Six Allocation-Intensive C Programs", 1992): the
   relations of Morrison & Brillhart ("A Method of Factoring and the Factorization of F7", 1975).
   Each operation returns a new bignum of a few words, nearly all of which are freed a moment
   later. sqrt(N) is expanded; for each partial denominator Q that splits over small primes, the
   congruence A^2 = (-1)^n Q (mod N) is checked. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>

#include "bench_util.h"

enum { PRIMES = 200 };

/* Little-endian digits to base 2^16; used has no leading zero digit. */
struct num {
  uint32_t used;
  uint16_t digit[];
};

static struct num *num_new(uint32_t digits) {
  struct num *n = xmalloc(sizeof *n + digits * sizeof(uint16_t));
  n->used = digits;
  return n;
}

static struct num *num_trim(struct num *n) {
  while (n->used > 0 && n->digit[n->used - 1] == 0)
    n->used--;
  return n;
}

static struct num *num_from(uint32_t value) {
  struct num *n = num_new(2);
  n->digit[0] = (uint16_t)value;
  n->digit[1] = (uint16_t)(value >> 16);
  return num_trim(n);
}

static struct num *num_copy(const struct num *a) {
  struct num *n = num_new(a->used);
  memcpy(n->digit, a->digit, a->used * sizeof(uint16_t));
  return n;
}

static int num_compare(const struct num *a, const struct num *b) {
  if (a->used != b->used) return a->used < b->used ? -1 : 1;
  for (uint32_t i = a->used; i-- > 0;)
    if (a->digit[i] != b->digit[i]) return a->digit[i] < b->digit[i] ? -1 : 1;
  return 0;
}

static struct num *num_add(const struct num *a, const struct num *b) {
  if (a->used < b->used) return num_add(b, a);
  struct num *n = num_new(a->used + 1);
  uint32_t carry = 0;
  for (uint32_t i = 0; i < a->used; i++) {
    carry += (uint32_t)a->digit[i] + (i < b->used ? b->digit[i] : 0);
    n->digit[i] = (uint16_t)carry;
    carry >>= 16;
  }
  n->digit[a->used] = (uint16_t)carry;
  return num_trim(n);
}

/* a >= b */
static struct num *num_sub(const struct num *a, const struct num *b) {
  struct num *n = num_new(a->used);
  uint32_t borrow = 0;
  for (uint32_t i = 0; i < a->used; i++) {
    uint32_t d = (uint32_t)a->digit[i] - (i < b->used ? b->digit[i] : 0) - borrow;
    n->digit[i] = (uint16_t)d;
    borrow = d >> 31;
  }
  return num_trim(n);
}

static struct num *num_mul(const struct num *a, const struct num *b) {
  struct num *n = num_new(a->used + b->used);
  memset(n->digit, 0, n->used * sizeof(uint16_t));
  for (uint32_t i = 0; i < a->used; i++) {
    uint32_t carry = 0;
    for (uint32_t j = 0; j < b->used; j++) {
      carry += n->digit[i + j] + (uint32_t)a->digit[i] * b->digit[j];
      n->digit[i + j] = (uint16_t)carry;
      carry >>= 16;
    }
    n->digit[i + b->used] = (uint16_t)carry;
  }
  return num_trim(n);
}

static struct num *num_div_small(const struct num *a, uint32_t divisor, uint32_t *rest) {
  struct num *n = num_new(a->used);
  uint32_t r = 0;
  for (uint32_t i = a->used; i-- > 0;) {
    r = r << 16 | a->digit[i];
    n->digit[i] = (uint16_t)(r / divisor);
    r %= divisor;
  }
  *rest = r;
  return num_trim(n);
}

static struct num *num_shift_left(const struct num *a, uint32_t bits) {
  struct num *n = num_new(a->used + 1);
  uint32_t carry = 0;
  for (uint32_t i = 0; i < a->used; i++) {
    carry |= (uint32_t)a->digit[i] << bits;
    n->digit[i] = (uint16_t)carry;
    carry >>= 16;
  }
  n->digit[a->used] = (uint16_t)carry;
  return n;
}

/* Subtracts q times b, j digits up, from u; returns the digit q, corrected (Knuth 4.3.1, algorithm
   D, steps D3-D6). */
static uint32_t num_div_step(struct num *u, const struct num *b, uint32_t j) {
  uint32_t top = b->digit[b->used - 1], next = b->digit[b->used - 2];
  uint32_t head = (uint32_t)u->digit[j + b->used] << 16 | u->digit[j + b->used - 1];
  uint32_t q = head / top, r = head % top;
  while (q > 0xffff || q * next > (r << 16 | u->digit[j + b->used - 2])) {
    q--;
    r += top;
    if (r > 0xffff) break;
  }
  uint32_t carry = 0, borrow = 0;
  for (uint32_t i = 0; i <= b->used; i++) {
    carry += i < b->used ? q * b->digit[i] : 0;
    uint32_t d = (uint32_t)u->digit[i + j] - (carry & 0xffff) - borrow;
    u->digit[i + j] = (uint16_t)d;
    borrow = d >> 31;
    carry >>= 16;
  }
  if (borrow == 0) return q;
  carry = 0;
  for (uint32_t i = 0; i <= b->used; i++) {
    carry += (uint32_t)u->digit[i + j] + (i < b->used ? b->digit[i] : 0);
    u->digit[i + j] = (uint16_t)carry;
    carry >>= 16;
  }
  return q - 1;
}

/* Quotient of a by b > 0; *rest becomes a new bignum. */
static struct num *num_div(const struct num *a, const struct num *b, struct num **rest) {
  if (num_compare(a, b) < 0) {
    *rest = num_copy(a);
    return num_from(0);
  }
  if (b->used == 1) {
    uint32_t r;
    struct num *quotient = num_div_small(a, b->digit[0], &r);
    *rest = num_from(r);
    return quotient;
  }
  uint32_t bits = (uint32_t)__builtin_clz(b->digit[b->used - 1]) - 16;
  struct num *u = num_shift_left(a, bits);
  struct num *v = num_trim(num_shift_left(b, bits));
  struct num *q = num_new(a->used - b->used + 1);
  for (uint32_t j = q->used; j-- > 0;)
    q->digit[j] = (uint16_t)num_div_step(u, v, j);
  free(v);
  uint32_t low;
  num_trim(u);
  *rest = num_div_small(u, (uint32_t)1 << bits, &low);
  free(u);
  return num_trim(q);
}

static struct num *num_mod_mul(const struct num *a, const struct num *b,
                               const struct num *modulus) {
  struct num *product = num_mul(a, b), *rest;
  free(num_div(product, modulus, &rest));
  free(product);
  return rest;
}

static struct num *num_sqrt(const struct num *a) {
  struct num *x = num_copy(a);
  for (;;) {
    struct num *rest, *quotient = num_div(a, x, &rest);
    struct num *twice = num_add(x, quotient);
    uint32_t odd;
    struct num *y = num_div_small(twice, 2, &odd);
    free(rest);
    free(quotient);
    free(twice);
    if (num_compare(y, x) >= 0) {
      free(y);
      return x;
    }
    free(x);
    x = y;
  }
}

static void num_set(struct num **to, struct num *value) {
  free(*to);
  *to = value;
}

static bool num_is_smooth(const struct num *q, const uint16_t *primes, uint32_t count) {
  struct num *left = num_copy(q);
  for (uint32_t i = 0; i < count; i++) {
    for (;;) {
      uint32_t rest;
      struct num *quotient = num_div_small(left, primes[i], &rest);
      if (rest != 0 || quotient->used == 0) {
        free(quotient);
        break;
      }
      num_set(&left, quotient);
    }
    if (left->used == 1 && left->digit[0] == 1) break;
  }
  bool smooth = left->used == 1 && left->digit[0] == 1;
  free(left);
  return smooth;
}

static uint32_t primes_make(uint16_t *primes, uint32_t limit) {
  uint32_t count = 0;
  for (uint32_t n = 2; count < limit; n++) {
    bool prime = true;
    for (uint32_t i = 0; i < count && prime; i++)
      prime = n % primes[i] != 0;
    if (prime) primes[count++] = (uint16_t)n;
  }
  return count;
}

/* The state of the expansion of sqrt(n): p, q, the denominator before it, and the numerators a,
   a_before mod n. */
struct expansion {
  struct num *n, *root, *p, *q, *q_before, *a, *a_before;
};

/* b = (root + p) / q; p' = b q - p; q' = q_before + b (p - p'); a' = b a + a_before. */
static void expansion_step(struct expansion *e) {
  struct num *sum = num_add(e->root, e->p), *rest;
  struct num *b = num_div(sum, e->q, &rest);
  struct num *p = num_sub(e->root, rest);
  bool down = num_compare(p, e->p) >= 0;
  struct num *delta = down ? num_sub(p, e->p) : num_sub(e->p, p);
  struct num *product = num_mul(b, delta);
  struct num *q = down ? num_sub(e->q_before, product) : num_add(e->q_before, product);
  struct num *scaled = num_mul(b, e->a);
  struct num *numerator = num_add(scaled, e->a_before);
  num_set(&e->a_before, e->a);
  free(num_div(numerator, e->n, &e->a));
  num_set(&e->q_before, e->q);
  e->q = q;
  num_set(&e->p, p);
  free(sum);
  free(rest);
  free(b);
  free(delta);
  free(product);
  free(scaled);
  free(numerator);
}

/* After so many steps, a^2 = (-1)^(steps + 1) q (mod n). */
static void expansion_check(const struct expansion *e, uint64_t steps) {
  struct num *square = num_mod_mul(e->a, e->a, e->n);
  struct num *expected = steps % 2 == 1 ? num_copy(e->q) : num_sub(e->n, e->q);
  if (num_compare(square, expected) != 0) bench_die("cfrac: a relation does not hold");
  free(square);
  free(expected);
}

int main(int argc, char **argv) {
  uint64_t steps = bench_scale(argc, argv, 600000);
  uint16_t primes[PRIMES];
  uint32_t count = primes_make(primes, PRIMES);
  struct num *n = num_from(0);
  for (const char *digit = "1754518652050731705637113883632748379"; *digit != '\0'; digit++) {
    struct num *ten = num_from(10), *value = num_from((uint32_t)(*digit - '0'));
    struct num *shifted = num_mul(n, ten);
    num_set(&n, num_add(shifted, value));
    free(ten);
    free(value);
    free(shifted);
  }
  struct num *root = num_sqrt(n), *square = num_mul(root, root);
  struct expansion e = {n,           root,           num_copy(root), num_sub(n, square),
                        num_from(1), num_copy(root), num_from(1)};
  free(square);
  uint64_t smooth = 0, sum = 0;
  for (uint64_t i = 1; i <= steps; i++) {
    expansion_step(&e);
    sum = sum_mix(sum, e.q->digit[0]);
    if (num_is_smooth(e.q, primes, count)) {
      smooth++;
      expansion_check(&e, i);
    }
  }
  struct num *all[] = {e.n, e.root, e.p, e.q, e.q_before, e.a, e.a_before};
  for (uint32_t i = 0; i < sizeof all / sizeof *all; i++)
    free(all[i]);
  printf("cfrac relations %llu\n", (unsigned long long)smooth);
  return bench_finish("cfrac", sum);
}

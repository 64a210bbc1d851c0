/* SPDX-License-Identifier: Apache-2.0
 *
 * C++ on the allocator: every form of new and delete, bad_alloc and nothrow, the new handler,
 * containers, exceptions in threads, thread_local objects that allocate as they are destroyed.
 * Prints `ok - name` or `not ok - name` for each case, as the cmocka programs do.
 */
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

extern "C" {
void *vs_malloc(size_t size) __attribute__((weak));
}

namespace {

int cases = 0, failures = 0;

void report(const char *name, bool ok) {
  std::printf("%s %d - %s\n", ok ? "ok" : "not ok", ++cases, name);
  std::fflush(stdout);
  failures += !ok;
}

bool aligned(const void *p, std::size_t align) {
  return p != nullptr && reinterpret_cast<std::uintptr_t>(p) % align == 0;
}

struct alignas(64) line {
  char c[64];
};
struct alignas(4096) page {
  char c[4096];
};
struct alignas(65536) huge_aligned {
  char c[65536];
};

volatile std::size_t huge = PTRDIFF_MAX;

bool expected_allocator() {
  const char *want = std::getenv("TEST_ALLOCATOR");
  return (vs_malloc != nullptr) == (want == nullptr || std::strcmp(want, "glibc") != 0);
}

bool plain_new_and_delete() {
  for (std::size_t n = 0; n < 100000; n = n + 1 + n / 8) {
    char *p = static_cast<char *>(::operator new(n));
    char *q = new char[n + 1];
    if (!aligned(p, 16) || !aligned(q, 16)) return false;
    std::memset(p, 1, n);
    q[n] = 2;
    ::operator delete(p);
    delete[] q;
  }
  return true;
}

bool sized_delete() {
  for (std::size_t n = 1; n < 100000; n += n) {
    ::operator delete(::operator new(n), n);
    ::operator delete[](::operator new[](n), n);
    ::operator delete(::operator new(n, std::align_val_t(128)), n, std::align_val_t(128));
  }
  return true;
}

template <class T> bool aligned_object() {
  std::vector<std::unique_ptr<T>> one;
  std::vector<std::unique_ptr<T[]>> many;
  for (int i = 0; i < 20; i++) {
    one.emplace_back(new T());
    many.emplace_back(new T[3]());
    if (!aligned(one.back().get(), alignof(T)) || !aligned(many.back().get(), alignof(T)))
      return false;
  }
  return true;
}

bool new_of_too_much_throws() {
  try {
    ::operator delete(::operator new(huge));
    return false;
  } catch (const std::bad_alloc &) {
  }
  try {
    delete[] new char[huge];
    return false;
  } catch (const std::bad_alloc &) {
  }
  try {
    ::operator delete(::operator new(huge, std::align_val_t(4096)), std::align_val_t(4096));
    return false;
  } catch (const std::bad_alloc &) {
  }
  return true;
}

bool nothrow_new_returns_null() {
  return ::operator new(huge, std::nothrow) == nullptr &&new (std::nothrow) char[huge] ==
         nullptr && ::operator new(huge, std::align_val_t(256), std::nothrow) == nullptr;
}

int handler_calls;

bool new_handler_is_called() {
  std::set_new_handler([] {
    if (++handler_calls == 3) std::set_new_handler(nullptr);
  });
  bool thrown = false;
  try {
    ::operator delete(::operator new(huge));
  } catch (const std::bad_alloc &) {
    thrown = true;
  }
  std::set_new_handler(nullptr);
  return thrown && handler_calls == 3;
}

bool containers() {
  std::map<std::string, std::vector<int>> m;
  std::unordered_map<int, std::string> u;
  std::size_t sum = 0;
  for (int i = 0; i < 20000; i++) {
    m[std::to_string(i % 3000) + std::string(std::size_t(i % 50), 'x')].push_back(i);
    u[i] = std::string(std::size_t(i % 100), 'a');
    if (i % 3 == 0) u.erase(i / 2);
  }
  for (const auto &e : m)
    sum += e.second.size();
  for (const auto &e : u)
    if (e.second.size() != std::size_t(e.first % 100)) return false;
  return sum == 20000;
}

/* Destroyed as its thread ends. */
struct per_thread {
  std::vector<std::string> words;
  static std::atomic<int> destroyed;
  ~per_thread() {
    std::string last(1000, 'z');
    words.push_back(last);
    words.clear();
    destroyed++;
  }
};
std::atomic<int> per_thread::destroyed{0};
thread_local per_thread local;

bool threads_with_exceptions_and_thread_locals() {
  std::atomic<int> caught{0};
  for (int round = 0; round < 20; round++) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; t++)
      threads.emplace_back([&caught, t] {
        for (int i = 0; i < 200; i++) {
          local.words.emplace_back(std::size_t(i + t), 'w');
          try {
            throw std::runtime_error(std::string(300, 'e'));
          } catch (const std::exception &e) {
            caught += std::strlen(e.what()) == 300;
          }
        }
      });
    for (auto &t : threads)
      t.join();
  }
  return caught == 20 * 8 * 200 && per_thread::destroyed == 20 * 8;
}

bool shared_pointers_cross_threads() {
  std::vector<std::shared_ptr<std::string>> all;
  for (int i = 0; i < 10000; i++)
    all.push_back(std::make_shared<std::string>(std::size_t(i % 300), 's'));
  auto copy = all;
  std::thread first([&all] { all.clear(); });
  std::thread second([&copy] { copy.clear(); });
  first.join();
  second.join();
  return true;
}

} // namespace

int main() {
  report("runs_on_the_expected_allocator", expected_allocator());
  report("plain_new_and_delete", plain_new_and_delete());
  report("sized_delete", sized_delete());
  report("object_aligned_to_64", aligned_object<line>());
  report("object_aligned_to_4096", aligned_object<page>());
  report("object_aligned_to_65536", aligned_object<huge_aligned>());
  report("new_of_too_much_throws", new_of_too_much_throws());
  report("nothrow_new_returns_null", nothrow_new_returns_null());
  report("new_handler_is_called", new_handler_is_called());
  report("containers", containers());
  report("threads_with_exceptions_and_thread_locals", threads_with_exceptions_and_thread_locals());
  report("shared_pointers_cross_threads", shared_pointers_cross_threads());
  std::printf("1..%d\n", cases);
  return failures != 0;
}

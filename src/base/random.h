// Randomness as a value that is passed in: a seed reproduces a run.
#pragma once

#include <cstdint>
#include <mutex>
#include <random>

namespace boxoffice {

// Uniform random bits. Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  [[nodiscard]] virtual uint64_t Next() = 0;
  // Uniform in [0, bound); bound > 0.
  [[nodiscard]] uint64_t Below(uint64_t bound) { return Next() % bound; }
};

// The same seed gives the same sequence. Seed it from SystemSeed() in production. Not for secrets.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : engine_(seed) {}
  [[nodiscard]] uint64_t Next() override {
    const std::scoped_lock lock(mutex_);
    return engine_();
  }

 private:
  std::mutex mutex_;
  std::mt19937_64 engine_;
};

[[nodiscard]] inline uint64_t SystemSeed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

}  // namespace boxoffice

// A large value that is handed from hand to hand.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

namespace boxoffice {

// Copied and moved as a pointer is: the value itself is copied by whoever changes it while others have it,
// too. Copies may be with different threads. What was moved from may be assigned to, and no more.
template <typename T>
class Shared {
 public:
  Shared() : Shared(T()) {}
  Shared(T value) : held_(new Held{std::move(value)}) {}
  Shared(const Shared& other) noexcept : held_(other.held_) {
    held_->holders.fetch_add(1, std::memory_order_relaxed);
  }
  Shared(Shared&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  Shared& operator=(Shared other) noexcept {
    std::swap(held_, other.held_);
    return *this;
  }
  ~Shared() {
    if (held_ != nullptr && held_->holders.fetch_sub(1, std::memory_order_acq_rel) == 1) delete held_;
  }

  const T& operator*() const { return held_->value; }
  const T* operator->() const { return &held_->value; }
  operator const T&() const { return held_->value; }
  // To be changed: other copies stay as they are. Good until this one is copied, moved or assigned to.
  [[nodiscard]] T& Own() {
    if (held_->holders.load(std::memory_order_acquire) > 1) *this = Shared(T(held_->value));
    return held_->value;
  }

  bool operator==(const Shared& other) const { return held_->value == other.held_->value; }

 private:
  struct Held {
    T value;
    std::atomic<size_t> holders{1};
  };
  Held* held_;
};

}  // namespace boxoffice

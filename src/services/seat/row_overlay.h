// Rows under decision: what the rules of a batch see and change.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"

namespace boxoffice::seat {

// Rows of one kind as they are while a batch is decided: the loaded ones, which must outlive this and are
// sorted by key, overlaid with what has changed.
template <typename Row, typename Key, Key Row::* kKey>
class Overlay {
 public:
  explicit Overlay(const std::vector<Row>& loaded) : loaded_(loaded), slots_(loaded.size(), kUnchanged) {}

  [[nodiscard]] const Row& Get(const Key& key) const {
    const size_t i = IndexOf(key);
    return slots_[i] == kUnchanged ? loaded_[i] : changed_[slots_[i]];
  }
  // The reference is good until the next Change.
  Row& Change(const Key& key) {
    const size_t i = IndexOf(key);
    if (slots_[i] == kUnchanged) {
      slots_[i] = static_cast<uint32_t>(changed_.size());
      changed_.push_back(loaded_[i]);
    }
    return changed_[slots_[i]];
  }
  // Sorted by key; ends the use of this object.
  std::vector<Row> TakeChanges() {
    std::ranges::sort(changed_, {}, kKey);
    return std::move(changed_);
  }

 private:
  static constexpr uint32_t kUnchanged = UINT32_MAX;
  [[nodiscard]] size_t IndexOf(const Key& key) const {
    const auto found = std::ranges::lower_bound(loaded_, key, {}, kKey);
    CHECK(found != loaded_.end() && (*found).*kKey == key, "a row that a command names was not loaded");
    return static_cast<size_t>(found - loaded_.begin());
  }
  const std::vector<Row>& loaded_;
  std::vector<uint32_t> slots_;
  std::vector<Row> changed_;
};

}  // namespace boxoffice::seat

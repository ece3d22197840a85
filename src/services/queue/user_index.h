// Which sequence a user has in a show's queue, in about 24 bytes a user: an open-addressing table of (hash,
// sequence) that does not hold the names, because the line and the members do.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace boxoffice::queue {

// Not thread-safe.
class UserIndex {
 public:
  // Adds a sequence (not 0, not there yet) under `user`.
  void Insert(std::string_view user, uint64_t sequence);
  // Removes the sequence, if it is there under `user`.
  void Erase(std::string_view user, uint64_t sequence);
  // The sequence under `user` for which `is_user(sequence)` holds: two users may share a hash.
  template <typename IsUser>
  [[nodiscard]] std::optional<uint64_t> Find(std::string_view user, const IsUser& is_user) const {
    if (size_ == 0) return std::nullopt;
    const uint32_t hash = Hash(user);
    for (size_t slot = hash & mask(); sequences_[slot] != kEmpty; slot = (slot + 1) & mask()) {
      if (hashes_[slot] == hash && is_user(sequences_[slot])) return sequences_[slot];
    }
    return std::nullopt;
  }
  [[nodiscard]] size_t size() const { return size_; }

 private:
  static constexpr uint64_t kEmpty = 0;
  static constexpr size_t kFirstSlots = 16;

  [[nodiscard]] static uint32_t Hash(std::string_view user) {
    return static_cast<uint32_t>(std::hash<std::string_view>()(user));
  }
  [[nodiscard]] size_t mask() const { return sequences_.size() - 1; }  // the size is a power of two
  void Place(uint32_t hash, uint64_t sequence);
  void Grow();

  std::vector<uint32_t> hashes_;
  std::vector<uint64_t> sequences_;
  size_t size_ = 0;
};

}  // namespace boxoffice::queue

#include "services/queue/user_index.h"

#include <utility>

#include "base/check.h"

namespace boxoffice::queue {

void UserIndex::Insert(std::string_view user, uint64_t sequence) {
  CHECK(sequence != kEmpty);
  // At most three quarters full, so that a probe ends soon.
  if ((size_ + 1) * 4 > sequences_.size() * 3) Grow();
  Place(Hash(user), sequence);
  ++size_;
}

void UserIndex::Erase(std::string_view user, uint64_t sequence) {
  if (size_ == 0) return;
  size_t hole = Hash(user) & mask();
  while (sequences_[hole] != sequence) {
    if (sequences_[hole] == kEmpty) return;
    hole = (hole + 1) & mask();
  }
  // Whatever stands behind the hole and would no longer be found from its own place moves into it.
  for (size_t next = (hole + 1) & mask(); sequences_[next] != kEmpty; next = (next + 1) & mask()) {
    const size_t home = hashes_[next] & mask();
    if (((next - home) & mask()) < ((next - hole) & mask())) continue;
    hashes_[hole] = hashes_[next];
    sequences_[hole] = sequences_[next];
    hole = next;
  }
  sequences_[hole] = kEmpty;
  --size_;
}

void UserIndex::Place(uint32_t hash, uint64_t sequence) {
  size_t slot = hash & mask();
  while (sequences_[slot] != kEmpty) slot = (slot + 1) & mask();
  hashes_[slot] = hash;
  sequences_[slot] = sequence;
}

void UserIndex::Grow() {
  const size_t slots = sequences_.empty() ? kFirstSlots : sequences_.size() * 2;
  const auto old_hashes = std::exchange(hashes_, std::vector<uint32_t>(slots));
  const auto old_sequences = std::exchange(sequences_, std::vector<uint64_t>(slots, kEmpty));
  for (size_t i = 0; i < old_sequences.size(); ++i) {
    if (old_sequences[i] != kEmpty) Place(old_hashes[i], old_sequences[i]);
  }
}

}  // namespace boxoffice::queue

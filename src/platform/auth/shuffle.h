// A shuffle that anybody can check afterwards. Who shuffles publishes the commitment to a secret seed first,
// and the seed once the order is fixed: then everybody can see that the seed is the one that was committed
// to, and which order follows from it.
//
//   commitment  SHA-256 of the seed's text, in hexadecimal
//   order       the numbers by HMAC-SHA256(key: the seed's text, message: the number in decimal), as 32
//   bytes,
//               the smallest first
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace boxoffice::auth {

// 64 hexadecimal digits.
[[nodiscard]] std::string CommitmentTo(std::string_view seed);

// The numbers first + 1 … first + count, which take each other's places; every other number keeps its own.
// Immutable, hence thread-safe. 8 bytes a number; making it takes about 0.4 µs a number.
class Shuffle {
 public:
  // `count` is below 2^32, which is CHECKed.
  Shuffle(std::string_view seed, uint64_t first, uint64_t count);

  [[nodiscard]] uint64_t PlaceOf(uint64_t number) const { return Has(number) ? At(places_, number) : number; }
  // The other way round.
  [[nodiscard]] uint64_t NumberAt(uint64_t place) const { return Has(place) ? At(numbers_, place) : place; }
  // The last number that is shuffled.
  [[nodiscard]] uint64_t last() const { return first_ + places_.size(); }

 private:
  [[nodiscard]] bool Has(uint64_t number) const { return number > first_ && number <= last(); }
  [[nodiscard]] uint64_t At(const std::vector<uint32_t>& offsets, uint64_t number) const {
    return first_ + 1 + offsets[number - first_ - 1];
  }

  const uint64_t first_;
  std::vector<uint32_t> places_;   // by number, both counted from first + 1
  std::vector<uint32_t> numbers_;  // by place
};

}  // namespace boxoffice::auth

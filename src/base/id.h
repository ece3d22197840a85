// Identifiers. A reservation, a saga and an event are named by UUIDv7 (RFC 9562): unique without
// coordination, and in the order of their making, which keeps database pages warm. Concerts and shows are
// numbered by the seat service.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"

namespace boxoffice {

// 128 bits; a value. All zero means "none".
class Uuid {
 public:
  constexpr Uuid() = default;

  // A new version 7 UUID: 48 bits of time, 74 of randomness.
  [[nodiscard]] static Uuid MakeV7(Timestamp now, Random& random);
  // From "01890a5d-ac96-774b-bcce-b302099a8057" in either case; anything else: nullopt.
  [[nodiscard]] static std::optional<Uuid> Parse(std::string_view text);
  // From the 16 bytes that bytes() gave; any other length: nullopt.
  [[nodiscard]] static std::optional<Uuid> FromBytes(std::string_view bytes);

  [[nodiscard]] std::string ToString() const;
  // The 16 bytes, as stored in BLOB columns and proto bytes fields; valid as long as this object.
  [[nodiscard]] std::string_view bytes() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  // The time in a version 7 UUID.
  [[nodiscard]] Timestamp Time() const;
  [[nodiscard]] bool IsNil() const { return bytes_ == std::array<uint8_t, 16>{}; }

  constexpr auto operator<=>(const Uuid&) const = default;

 private:
  std::array<uint8_t, 16> bytes_{};
};

// A Uuid that can't be mixed up with one of another kind.
template <typename Tag>
class Id {
 public:
  constexpr Id() = default;
  constexpr explicit Id(Uuid uuid) : uuid_(uuid) {}
  [[nodiscard]] static Id Make(Timestamp now, Random& random) { return Id(Uuid::MakeV7(now, random)); }
  [[nodiscard]] static std::optional<Id> Parse(std::string_view text) { return Wrap(Uuid::Parse(text)); }
  [[nodiscard]] static std::optional<Id> FromBytes(std::string_view bytes) {
    return Wrap(Uuid::FromBytes(bytes));
  }

  [[nodiscard]] const Uuid& uuid() const { return uuid_; }
  [[nodiscard]] std::string ToString() const { return uuid_.ToString(); }
  [[nodiscard]] std::string_view bytes() const { return uuid_.bytes(); }
  [[nodiscard]] bool IsNil() const { return uuid_.IsNil(); }
  constexpr auto operator<=>(const Id&) const = default;

 private:
  static std::optional<Id> Wrap(std::optional<Uuid> uuid) {
    return uuid ? std::optional(Id(*uuid)) : std::nullopt;
  }
  Uuid uuid_;
};

using ReservationId = Id<struct ReservationTag>;
using SagaId = Id<struct SagaTag>;
using EventId = Id<struct EventTag>;

}  // namespace boxoffice

template <>
struct std::hash<boxoffice::Uuid> {
  size_t operator()(const boxoffice::Uuid& uuid) const noexcept {
    return std::hash<std::string_view>()(uuid.bytes());
  }
};
template <typename Tag>
struct std::hash<boxoffice::Id<Tag>> {
  size_t operator()(const boxoffice::Id<Tag>& id) const noexcept {
    return std::hash<boxoffice::Uuid>()(id.uuid());
  }
};

// The claims of a JSON Web Token (RFC 7519, section 4) that Boxoffice looks at, as its JSON has them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace boxoffice::auth {

struct Claim {
  enum class Kind : uint8_t { kAbsent, kString, kNumber, kArray, kOther };
  Kind kind = Kind::kAbsent;
  bool strings_only = true;  // of an array
  double number = 0;
  std::string text;
  std::vector<std::string> items;  // those of an array that are strings

  [[nodiscard]] bool given() const { return kind != Kind::kAbsent; }
  [[nodiscard]] bool Is(std::string_view wanted) const { return kind == Kind::kString && text == wanted; }
};

struct Claims {
  Claim issuer;      // iss
  Claim audience;    // aud
  Claim user;        // sub
  Claim expiry;      // exp
  Claim not_before;  // nbf
  Claim role;
  Claim channels;
};

// Reads a JSON object; of a claim that is there twice the last counts. nullopt: it is none.
[[nodiscard]] std::optional<Claims> ReadClaims(std::string_view json);

}  // namespace boxoffice::auth

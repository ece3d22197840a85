#include "platform/auth/claims.h"

#include <utility>

#include <boost/json/basic_parser_impl.hpp>

namespace boxoffice::auth {
namespace {

namespace json = boost::json;

// What Boost.JSON's parser calls with each piece of the text: a token is verified with every request, and a
// tree of its values would cost more than the rest. True: go on.
class ClaimsHandler {
 public:
  using Error = boost::system::error_code;
  using Text = boost::core::string_view;
  static constexpr size_t max_object_size = static_cast<size_t>(-1);
  static constexpr size_t max_array_size = static_cast<size_t>(-1);
  static constexpr size_t max_key_size = static_cast<size_t>(-1);
  static constexpr size_t max_string_size = static_cast<size_t>(-1);

  bool on_document_begin(Error&) { return true; }
  bool on_document_end(Error&) { return true; }
  bool on_object_begin(Error&) {
    if (depth_ == 0) is_object = true;
    return Begin(Claim::Kind::kOther);
  }
  bool on_object_end(size_t, Error&) { return End(); }
  bool on_array_begin(Error&) { return Begin(Claim::Kind::kArray); }
  bool on_array_end(size_t, Error&) { return End(); }
  bool on_key_part(Text text, size_t, Error&) { return Part(text); }
  bool on_key(Text text, size_t, Error&) {
    const std::string_view name = Whole(text);
    if (depth_ == kOfClaims) {
      claim_ = Find(name);
      if (claim_ != nullptr) *claim_ = {};
    }
    part_.clear();
    return true;
  }
  bool on_string_part(Text text, size_t, Error&) { return Part(text); }
  bool on_string(Text text, size_t, Error&) {
    const std::string_view value = Whole(text);
    if (claim_ != nullptr && depth_ == kOfClaims) {
      claim_->kind = Claim::Kind::kString;
      claim_->text = value;
    } else if (claim_ != nullptr && depth_ == kOfItems && claim_->kind == Claim::Kind::kArray) {
      claim_->items.emplace_back(value);
    }
    part_.clear();
    return true;
  }
  bool on_number_part(Text, Error&) { return true; }
  bool on_int64(int64_t number, Text, Error&) { return Number(static_cast<double>(number)); }
  bool on_uint64(uint64_t number, Text, Error&) { return Number(static_cast<double>(number)); }
  bool on_double(double number, Text, Error&) { return Number(number); }
  bool on_bool(bool, Error&) { return Other(Claim::Kind::kOther); }
  bool on_null(Error&) { return Other(Claim::Kind::kOther); }
  bool on_comment_part(Text, Error&) { return true; }
  bool on_comment(Text, Error&) { return true; }

  bool is_object = false;
  Claims claims;

 private:
  static constexpr int kOfClaims = 1;  // inside the object
  static constexpr int kOfItems = 2;   // inside an array, or an object, that a claim is

  Claim* Find(std::string_view name) {
    if (name == "iss") return &claims.issuer;
    if (name == "aud") return &claims.audience;
    if (name == "sub") return &claims.user;
    if (name == "exp") return &claims.expiry;
    if (name == "nbf") return &claims.not_before;
    if (name == "role") return &claims.role;
    if (name == "channels") return &claims.channels;
    return nullptr;
  }

  // A text with escapes may come in pieces.
  bool Part(Text text) {
    part_.append(text.data(), text.size());
    return true;
  }
  std::string_view Whole(Text last) {
    if (part_.empty()) return {last.data(), last.size()};
    part_.append(last.data(), last.size());
    return part_;
  }

  bool Begin(Claim::Kind kind) {
    Other(kind);
    ++depth_;
    return true;
  }
  bool End() {
    --depth_;
    return true;
  }
  bool Number(double number) {
    Other(Claim::Kind::kNumber);
    if (claim_ != nullptr && depth_ == kOfClaims) claim_->number = number;
    return true;
  }
  bool Other(Claim::Kind kind) {
    if (claim_ == nullptr) return true;
    if (depth_ == kOfClaims) claim_->kind = kind;
    if (depth_ == kOfItems) claim_->strings_only = false;
    return true;
  }

  int depth_ = 0;
  Claim* claim_ = nullptr;  // the one whose value comes; null: one that nobody looks at
  std::string part_;
};

}  // namespace

std::optional<Claims> ReadClaims(std::string_view text) {
  json::basic_parser<ClaimsHandler> parser{json::parse_options()};
  boost::system::error_code error;
  const size_t read = parser.write_some(/*more=*/false, text.data(), text.size(), error);
  if (error || read != text.size() || !parser.handler().is_object) return std::nullopt;
  return std::move(parser.handler().claims);
}

}  // namespace boxoffice::auth

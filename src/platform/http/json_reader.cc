#include "platform/http/json_reader.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory_resource>

#include <boost/json/basic_parser_impl.hpp>
#include <fmt/format.h>

namespace boxoffice::http {

// A value; its texts are in the document's memory.
struct JsonNode {
  enum class Type { kNull, kBool, kInteger, kNumber, kString, kArray, kObject };
  Type type = Type::kNull;
  bool truth = false;
  bool taken = false;
  int64_t integer = 0;
  double number = 0;
  std::string_view text;
  std::string_view key;
  JsonNode* first = nullptr;  // of the children of an array or object, in order
  JsonNode* last = nullptr;
  JsonNode* next = nullptr;
  size_t size = 0;  // of an array
};

struct JsonDocument {
  std::array<std::byte, 4096> buffer;  // enough for a usual body
  std::pmr::monotonic_buffer_resource memory{buffer.data(), buffer.size()};
  JsonNode* root = nullptr;
  std::optional<Error> error;
};

namespace {

namespace json = boost::json;

constexpr size_t kMaxDepth = 16;
constexpr size_t kMaxNodes = 100'000;

// Builds the tree. Boost's own keeps the last of two fields of one name in silence; this one notices.
class TreeHandler {
 public:
  static constexpr size_t max_object_size = kMaxNodes;
  static constexpr size_t max_array_size = kMaxNodes;
  static constexpr size_t max_key_size = 256;
  static constexpr size_t max_string_size = 64 * 1024 * 1024;
  using error_code = json::error_code;

  explicit TreeHandler(JsonDocument& document) : document_(&document) {}

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code& error) { return Open(JsonNode::Type::kObject, error); }
  bool on_object_end(size_t, error_code&) { return Shut(); }
  bool on_array_begin(error_code& error) { return Open(JsonNode::Type::kArray, error); }
  bool on_array_end(size_t, error_code&) { return Shut(); }
  bool on_key_part(json::string_view part, size_t, error_code&) { return Part(part); }
  bool on_key(json::string_view part, size_t, error_code&) {
    key_ = Text(part);
    return true;
  }
  bool on_string_part(json::string_view part, size_t, error_code&) { return Part(part); }
  bool on_string(json::string_view part, size_t, error_code& error) {
    const std::string_view text = Text(part);
    JsonNode* node = Add(JsonNode::Type::kString, error);
    if (node != nullptr) node->text = text;
    return node != nullptr;
  }
  bool on_number_part(json::string_view, error_code&) { return true; }
  bool on_int64(int64_t value, json::string_view, error_code& error) {
    JsonNode* node = Add(JsonNode::Type::kInteger, error);
    if (node != nullptr) node->integer = value;
    return node != nullptr;
  }
  bool on_uint64(uint64_t value, json::string_view text, error_code& error) {
    if (value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return on_int64(static_cast<int64_t>(value), text, error);
    }
    return on_double(static_cast<double>(value), text, error);
  }
  bool on_double(double value, json::string_view, error_code& error) {
    JsonNode* node = Add(JsonNode::Type::kNumber, error);
    if (node != nullptr) node->number = value;
    return node != nullptr;
  }
  bool on_bool(bool value, error_code& error) {
    JsonNode* node = Add(JsonNode::Type::kBool, error);
    if (node != nullptr) node->truth = value;
    return node != nullptr;
  }
  bool on_null(error_code& error) { return Add(JsonNode::Type::kNull, error) != nullptr; }
  bool on_comment_part(json::string_view, error_code&) { return true; }
  bool on_comment(json::string_view, error_code&) { return true; }

 private:
  bool Part(json::string_view part) {
    parts_.append(part.data(), part.size());
    return true;
  }
  std::string_view Text(json::string_view part) {
    const size_t size = parts_.size() + part.size();
    auto* text = static_cast<char*>(document_->memory.allocate(size + 1, 1));
    std::memcpy(text, parts_.data(), parts_.size());
    if (!part.empty()) std::memcpy(text + parts_.size(), part.data(), part.size());
    parts_.clear();
    return {text, size};
  }
  JsonNode* Add(JsonNode::Type type, error_code& error) {
    if (++nodes_ > kMaxNodes) {
      error = json::error::array_too_large;
      return nullptr;
    }
    auto* node = new (document_->memory.allocate(sizeof(JsonNode), alignof(JsonNode))) JsonNode;
    node->type = type;
    if (depth_ == 0) {
      document_->root = node;
      return node;
    }
    JsonNode* parent = parents_[depth_ - 1];
    if (parent->type == JsonNode::Type::kObject) node->key = std::exchange(key_, {});
    (parent->last != nullptr ? parent->last->next : parent->first) = node;
    parent->last = node;
    ++parent->size;
    return node;
  }
  bool Open(JsonNode::Type type, error_code& error) {
    JsonNode* node = Add(type, error);
    if (node == nullptr) return false;
    if (depth_ == kMaxDepth) {
      error = json::error::too_deep;
      return false;
    }
    parents_[depth_++] = node;
    return true;
  }
  bool Shut() {
    --depth_;
    return true;
  }

  JsonDocument* document_;
  std::array<JsonNode*, kMaxDepth> parents_{};
  size_t depth_ = 0;
  size_t nodes_ = 0;
  std::string_view key_;
  std::string parts_;
};

std::string_view TypeName(const JsonNode& node) {
  switch (node.type) {
    case JsonNode::Type::kNull:
      return "null";
    case JsonNode::Type::kBool:
      return "boolean";
    case JsonNode::Type::kInteger:
      return "integer";
    case JsonNode::Type::kNumber:
      return "number";
    case JsonNode::Type::kString:
      return "string";
    case JsonNode::Type::kArray:
      return "array";
    case JsonNode::Type::kObject:
      return "object";
  }
  return "value";
}

void Parse(std::string_view body, JsonDocument& document) {
  json::basic_parser<TreeHandler> parser(json::parse_options{}, document);
  json::error_code error;
  const size_t used = parser.write_some(false, body.data(), body.size(), error);
  const auto refuse = [&document](std::string detail) {
    document.root = nullptr;
    document.error = Error{Code::kInvalidArgument, "body_not_json", std::move(detail)};
  };
  if (body.empty()) return refuse("the body is empty");
  if (error) return refuse(fmt::format("at byte {}: {}", used, error.message()));
  if (used < body.size()) return refuse(fmt::format("at byte {}: text after the value", used));
  if (document.root->type != JsonNode::Type::kObject) {
    return refuse(fmt::format("the body must be an object, got {}", TypeName(*document.root)));
  }
}

}  // namespace

ObjectReader::ObjectReader(std::string_view body)
    : owned_(std::make_unique<JsonDocument>()), document_(owned_.get()) {
  Parse(body, *document_);
  object_ = document_->root;
}

ObjectReader::ObjectReader(JsonDocument& document, JsonNode* object, std::string path)
    : document_(&document), object_(object), path_(std::move(path)) {}

ObjectReader::~ObjectReader() = default;

void ObjectReader::Record(std::string_view reason, std::string detail) {
  if (!document_->error)
    document_->error = Error{Code::kInvalidArgument, std::string(reason), std::move(detail)};
}

std::string ObjectReader::PathOf(std::string_view name) const { return path_ + std::string(name); }

void ObjectReader::WrongType(const std::string& path, std::string_view wanted, const JsonNode& node) {
  Record("field_type", fmt::format("field `{}` must be {}, got {}", path, wanted, TypeName(node)));
}

JsonNode* ObjectReader::Take(std::string_view name, bool required) {
  JsonNode* found = nullptr;
  for (JsonNode* node = object_ != nullptr ? object_->first : nullptr; node != nullptr; node = node->next) {
    if (node->key != name) continue;
    node->taken = true;
    if (found != nullptr) {
      Record("field_duplicate", fmt::format("field `{}` appears twice", PathOf(name)));
      return found;
    }
    found = node;
  }
  if (found == nullptr && required && object_ != nullptr) {
    Record("field_missing", fmt::format("field `{}` is missing", PathOf(name)));
  }
  return found;
}

template <>
std::optional<int64_t> ObjectReader::Convert(const JsonNode& node, const std::string& path) {
  if (node.type == JsonNode::Type::kInteger) return node.integer;
  if (node.type == JsonNode::Type::kNumber) {
    Record(
        "number_not_integer",
        fmt::format("field `{}` must be an integer of at most 64 bits, without fraction or exponent", path));
  } else {
    WrongType(path, "an integer", node);
  }
  return std::nullopt;
}

template <>
std::optional<bool> ObjectReader::Convert(const JsonNode& node, const std::string& path) {
  if (node.type == JsonNode::Type::kBool) return node.truth;
  WrongType(path, "a boolean", node);
  return std::nullopt;
}

template <>
std::optional<double> ObjectReader::Convert(const JsonNode& node, const std::string& path) {
  if (node.type == JsonNode::Type::kInteger) return static_cast<double>(node.integer);
  // The parser makes infinity of 1e999, and of 0e999 what is no number, which no comparison would refuse.
  if (node.type == JsonNode::Type::kNumber && std::isfinite(node.number)) return node.number;
  if (node.type == JsonNode::Type::kNumber) {
    Record("field_invalid", fmt::format("field `{}` is out of range", path));
  } else {
    WrongType(path, "a number", node);
  }
  return std::nullopt;
}

template <>
std::optional<std::string_view> ObjectReader::Convert(const JsonNode& node, const std::string& path) {
  if (node.type == JsonNode::Type::kString) return node.text;
  WrongType(path, "a string", node);
  return std::nullopt;
}

template <>
std::optional<std::string> ObjectReader::Convert(const JsonNode& node, const std::string& path) {
  const std::optional<std::string_view> text = Convert<std::string_view>(node, path);
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

template <typename T>
T ObjectReader::Required(std::string_view name) {
  const JsonNode* node = Take(name, /*required=*/true);
  return node != nullptr ? Convert<T>(*node, PathOf(name)).value_or(T{}) : T{};
}

template <typename T>
std::optional<T> ObjectReader::Optional(std::string_view name) {
  const JsonNode* node = Take(name, /*required=*/false);
  return node != nullptr ? Convert<T>(*node, PathOf(name)) : std::nullopt;
}

bool ObjectReader::IsArray(const JsonNode& node, const std::string& path, size_t max) {
  if (node.type != JsonNode::Type::kArray) {
    WrongType(path, "an array", node);
    return false;
  }
  if (node.size <= max) return true;
  Record("field_too_long",
         fmt::format("field `{}` may have at most {} values, got {}", path, max, node.size));
  return false;
}

template <typename T>
std::vector<T> ObjectReader::ConvertArray(const JsonNode& node, std::string_view name, size_t max) {
  std::vector<T> values;
  const std::string path = PathOf(name);
  if (!IsArray(node, path, max)) return values;
  values.reserve(node.size);
  for (const JsonNode* element = node.first; element != nullptr; element = element->next) {
    const std::optional<T> value = Convert<T>(*element, fmt::format("{}[{}]", path, values.size()));
    if (!value) return {};
    values.push_back(*value);
  }
  return values;
}

template <typename T>
std::vector<T> ObjectReader::RequiredArray(std::string_view name, size_t max) {
  const JsonNode* node = Take(name, /*required=*/true);
  return node != nullptr ? ConvertArray<T>(*node, name, max) : std::vector<T>();
}

template <typename T>
std::optional<std::vector<T>> ObjectReader::OptionalArray(std::string_view name, size_t max) {
  const JsonNode* node = Take(name, /*required=*/false);
  return node != nullptr ? std::optional(ConvertArray<T>(*node, name, max)) : std::nullopt;
}

#define BOXOFFICE_JSON_TYPE(T)                                                      \
  template T ObjectReader::Required<T>(std::string_view);                           \
  template std::optional<T> ObjectReader::Optional<T>(std::string_view);            \
  template std::vector<T> ObjectReader::RequiredArray<T>(std::string_view, size_t); \
  template std::optional<std::vector<T>> ObjectReader::OptionalArray<T>(std::string_view, size_t)
BOXOFFICE_JSON_TYPE(int64_t);
BOXOFFICE_JSON_TYPE(bool);
BOXOFFICE_JSON_TYPE(double);
BOXOFFICE_JSON_TYPE(std::string);
BOXOFFICE_JSON_TYPE(std::string_view);
#undef BOXOFFICE_JSON_TYPE

ObjectReader* ObjectReader::Child(JsonNode* object, std::string path) {
  if (object != nullptr && object->type != JsonNode::Type::kObject) {
    WrongType(path, "an object", *object);
    object = nullptr;
  }
  children_.emplace_back(new ObjectReader(*document_, object, std::move(path) + "."));
  return children_.back().get();
}

ObjectReader* ObjectReader::RequiredObject(std::string_view name) {
  return Child(Take(name, true), PathOf(name));
}

ObjectReader* ObjectReader::OptionalObject(std::string_view name) {
  JsonNode* node = Take(name, /*required=*/false);
  return node != nullptr ? Child(node, PathOf(name)) : nullptr;
}

std::vector<ObjectReader*> ObjectReader::OptionalObjects(std::string_view name, size_t max) {
  std::vector<ObjectReader*> readers;
  const JsonNode* node = Take(name, /*required=*/false);
  const std::string path = PathOf(name);
  if (node == nullptr || !IsArray(*node, path, max)) return readers;
  for (JsonNode* element = node->first; element != nullptr; element = element->next) {
    readers.push_back(Child(element, fmt::format("{}[{}]", path, readers.size())));
  }
  return readers;
}

bool ObjectReader::Has(std::string_view name) const {
  for (const JsonNode* node = object_ != nullptr ? object_->first : nullptr; node != nullptr;
       node = node->next) {
    if (node->key == name) return true;
  }
  return false;
}

bool ObjectReader::IsString(std::string_view name) const {
  for (const JsonNode* node = object_ != nullptr ? object_->first : nullptr; node != nullptr;
       node = node->next) {
    if (node->key == name) return node->type == JsonNode::Type::kString;
  }
  return false;
}

bool ObjectReader::IsNull(std::string_view name) const {
  for (const JsonNode* node = object_ != nullptr ? object_->first : nullptr; node != nullptr;
       node = node->next) {
    if (node->key == name) return node->type == JsonNode::Type::kNull;
  }
  return false;
}

std::vector<std::string_view> ObjectReader::Names() const {
  std::vector<std::string_view> names;
  for (const JsonNode* node = object_ != nullptr ? object_->first : nullptr; node != nullptr;
       node = node->next) {
    names.push_back(node->key);
  }
  return names;
}

void ObjectReader::Ignore(std::string_view name) { (void)Take(name, /*required=*/false); }

void ObjectReader::Refuse(std::string_view name, std::string_view reason, std::string_view what) {
  Record(reason, fmt::format("field `{}` {}", PathOf(name), what));
}

void ObjectReader::FindUnknown() {
  for (const JsonNode* node = object_ != nullptr ? object_->first : nullptr; node != nullptr;
       node = node->next) {
    if (!node->taken) Record("field_unknown", fmt::format("field `{}` is not known here", PathOf(node->key)));
  }
  for (const std::unique_ptr<ObjectReader>& child : children_) child->FindUnknown();
}

Result<void> ObjectReader::Finish() {
  FindUnknown();
  if (document_->error) return std::unexpected(*document_->error);
  return {};
}

}  // namespace boxoffice::http

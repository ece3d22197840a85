// What Redis answered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

struct redisReply;

namespace boxoffice::redis {

// A part of a reply, or the whole; valid as long as its Reply. What is not of the kind that is asked for
// reads as nothing (0, "", no elements), as what is absent does: stores hold only what they wrote themselves.
class Value {
 public:
  explicit Value(const redisReply* reply) : reply_(reply) {}
  [[nodiscard]] bool IsNil() const;
  [[nodiscard]] std::string_view Text() const;  // strings, states and errors, with any bytes
  [[nodiscard]] int64_t Int() const;            // integers, and strings that are one
  [[nodiscard]] size_t size() const;            // of an array
  [[nodiscard]] Value operator[](size_t i) const;

 private:
  const redisReply* reply_;
};

// Owns it. A value; may be moved.
class Reply {
 public:
  explicit Reply(redisReply* owned) : reply_(owned) {}
  [[nodiscard]] bool IsError() const;
  [[nodiscard]] Value value() const { return Value(reply_.get()); }

 private:
  struct Free {
    void operator()(redisReply* reply) const;
  };
  std::unique_ptr<redisReply, Free> reply_;
};

}  // namespace boxoffice::redis

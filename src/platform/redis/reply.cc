#include "platform/redis/reply.h"

#include <charconv>

#include <hiredis/hiredis.h>

namespace boxoffice::redis {

bool Value::IsNil() const { return reply_ == nullptr || reply_->type == REDIS_REPLY_NIL; }

std::string_view Value::Text() const {
  if (reply_ == nullptr || reply_->str == nullptr) return {};
  return {reply_->str, static_cast<size_t>(reply_->len)};
}

int64_t Value::Int() const {
  if (reply_ != nullptr && reply_->type == REDIS_REPLY_INTEGER) return reply_->integer;
  const std::string_view text = Text();
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

size_t Value::size() const {
  return reply_ != nullptr && reply_->type == REDIS_REPLY_ARRAY ? reply_->elements : 0;
}

Value Value::operator[](size_t i) const { return Value(i < size() ? reply_->element[i] : nullptr); }

bool Reply::IsError() const { return reply_ != nullptr && reply_->type == REDIS_REPLY_ERROR; }

void Reply::Free::operator()(redisReply* reply) const { freeReplyObject(reply); }

}  // namespace boxoffice::redis

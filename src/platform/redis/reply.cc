#include "platform/redis/reply.h"

#include <hiredis/hiredis.h>

#include "base/text.h"

namespace boxoffice::redis {

bool Value::IsNil() const { return reply_ == nullptr || reply_->type == REDIS_REPLY_NIL; }

std::string_view Value::Text() const {
  if (reply_ == nullptr || reply_->str == nullptr) return {};
  return {reply_->str, static_cast<size_t>(reply_->len)};
}

int64_t Value::Int() const {
  if (reply_ != nullptr && reply_->type == REDIS_REPLY_INTEGER) return reply_->integer;
  return ParseNumber<int64_t>(Text()).value_or(0);
}

size_t Value::size() const {
  return reply_ != nullptr && reply_->type == REDIS_REPLY_ARRAY ? reply_->elements : 0;
}

Value Value::operator[](size_t i) const { return Value(i < size() ? reply_->element[i] : nullptr); }

bool Reply::IsError() const { return reply_ != nullptr && reply_->type == REDIS_REPLY_ERROR; }

void Reply::Free::operator()(redisReply* reply) const { freeReplyObject(reply); }

}  // namespace boxoffice::redis

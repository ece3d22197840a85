#include "platform/module/shared_keys.h"

#include <chrono>
#include <utility>

namespace boxoffice::module {

using std::chrono::milliseconds;

void AddBatchKeys(config::Keys& keys, batch::Limits& limits) {
  keys.Integer("batch.max_commands", limits.max_batch, 1, 4'096, "Commands in one transaction at most");
  keys.Integer("batch.max_queue", limits.max_queue, 1, 1'000'000,
               "Commands that wait at most; further ones are refused with overloaded");
  keys.Integer("batch.max_runs", limits.max_runs, 1, 1'000,
               "Runs of one command whose rows keep moving, or whose database keeps failing");
}

void AddOutboxKeys(config::Keys& keys, outbox::PublisherConfig& config) {
  keys.Integer("outbox.batch", config.batch, 1, 10'000,
               "Events published together at most, but for a row of the outbox that alone has more");
  keys.Duration("outbox.min_poll_ms", config.min_poll, milliseconds(1), milliseconds(60'000),
                "From one look at the outbox to the next, just after there was something");
  keys.Duration("outbox.max_poll_ms", config.max_poll, milliseconds(1), milliseconds(60'000),
                "The same after a quiet time");
  keys.Duration("outbox.min_gap_ms", config.min_gap, milliseconds(0), milliseconds(10'000),
                "From one publication to the next, in which events gather");
  keys.Duration("outbox.backoff_ms", config.backoff, milliseconds(1), milliseconds(60'000),
                "After a first failure to publish; doubles");
  keys.Duration("outbox.max_backoff_ms", config.max_backoff, milliseconds(1), milliseconds(600'000),
                "The longest such pause");
}

void AddTokenKeys(config::Keys& keys, std::vector<std::string>& secrets) {
  keys.SecretList(
      std::string(kTokenKeys), secrets,
      "Keys of queue tokens, ID=SECRET (16 bytes or more); the first signs, all verify; the queue "
      "and the gateways have the same; none: the development key in the data folder");
}

Result<std::shared_ptr<const auth::KeyRing>> MakeKeyRing(const std::vector<std::string>& secrets) {
  if (secrets.empty()) return nullptr;
  std::vector<auth::SigningKey> signing_keys;
  for (const std::string& secret : secrets) {
    const size_t equals = secret.find('=');
    if (equals == std::string::npos)
      return Fail(Code::kInvalidArgument, "config", "token.keys: each must be ID=SECRET");
    signing_keys.push_back({secret.substr(0, equals), secret.substr(equals + 1)});
  }
  auto ring = auth::KeyRing::Make(signing_keys);
  if (!ring) return Fail(Code::kInvalidArgument, "config", "token.keys: " + ring.error().detail);
  return std::make_shared<const auth::KeyRing>(*std::move(ring));
}

}  // namespace boxoffice::module

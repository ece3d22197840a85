#include "services/queue/store_redis_leader.h"

#include <array>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "base/random.h"

namespace boxoffice::queue {
namespace {

using redis::Request;

// Ours already: the reply to an earlier Take was lost.
constexpr std::string_view kTakeText = R"lua(
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
)lua";

// A key that is not there is not taken again: others may have led since it went.
constexpr std::string_view kRenewText = R"lua(
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
)lua";

constexpr std::string_view kReleaseText = R"lua(
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
)lua";

const redis::Script& TakeScript() {
  static const redis::Script script(kTakeText);
  return script;
}
const redis::Script& RenewScript() {
  static const redis::Script script(kRenewText);
  return script;
}
const redis::Script& ReleaseScript() {
  static const redis::Script script(kReleaseText);
  return script;
}

std::string NewOwner() {
  std::array<char, 256> host{};
  (void)::gethostname(host.data(), host.size() - 1);
  SeededRandom random(SystemSeed());
  return fmt::format("{}/{}/{:016x}", host.data(), ::getpid(), random.Next());
}

}  // namespace

RedisLeadership::RedisLeadership(std::unique_ptr<redis::Client> client, milliseconds lease)
    : client_(std::move(client)), lease_(lease), owner_(NewOwner()) {}

Result<std::optional<Leadership::Moment>> RedisLeadership::Take() { return Claim(TakeScript()); }
Result<std::optional<Leadership::Moment>> RedisLeadership::Renew() { return Claim(RenewScript()); }

// The lease runs from the moment of asking here, and from a later one in Redis: so it ends here first.
Result<std::optional<Leadership::Moment>> RedisLeadership::Claim(const redis::Script& script) {
  const Moment asked = std::chrono::steady_clock::now();
  BOXOFFICE_ASSIGN(const redis::Reply reply,
                   client_->Run(Request::Call(script, {std::string(kLeaderKey)},
                                              {owner_, fmt::to_string(lease_.count())})));
  if (reply.value().Int() == 0) return std::nullopt;
  return asked + lease_;
}

Result<void> RedisLeadership::Release() {
  BOXOFFICE_TRY(client_->Run(Request::Call(ReleaseScript(), {std::string(kLeaderKey)}, {owner_})));
  return {};
}

}  // namespace boxoffice::queue

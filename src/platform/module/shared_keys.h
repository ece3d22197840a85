// Keys that several services have, so that they are called the same in all of them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/auth/signed_token.h"
#include "platform/batch/executor.h"
#include "platform/config/keys.h"
#include "platform/outbox/outbox.h"

namespace boxoffice::module {

// [batch]: of the batch executor.
void AddBatchKeys(config::Keys& keys, batch::Limits& limits);
// [outbox]: of its publisher.
void AddOutboxKeys(config::Keys& keys, outbox::PublisherConfig& config);
// The name of the next.
inline constexpr std::string_view kTokenKeys = "token.keys";
// [token] keys: with what queue tokens are signed and verified. `secrets` are "ID=SECRET"; the first signs.
void AddTokenKeys(config::Keys& keys, std::vector<std::string>& secrets);
// Null if there are none: the development key is to be used. Error: config.
[[nodiscard]] Result<std::shared_ptr<const auth::KeyRing>> MakeKeyRing(
    const std::vector<std::string>& secrets);

}  // namespace boxoffice::module

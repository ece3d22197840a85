// What the wallet tells the world: each ledger entry as an event. Shared by its stores, which write it to the
// outbox.
#pragma once

#include "platform/bus/bus.h"
#include "services/wallet/wallet.h"

namespace boxoffice::wallet {

// wallet.charged, wallet.debited or wallet.refunded on topic "wallet" with the user as key; its id is the
// entry's.
[[nodiscard]] bus::Event ToEvent(const Entry& entry);

}  // namespace boxoffice::wallet

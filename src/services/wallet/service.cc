#include "services/wallet/service.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "platform/batch/without_moved.h"

namespace boxoffice::wallet {
namespace {

template <typename T>
bool Overlap(const std::vector<T>& named, const std::vector<T>& moved) {
  return std::ranges::any_of(
      named, [&](const T& key) { return std::binary_search(moved.begin(), moved.end(), key); });
}

// Whether a command depends on a row that moved. Some know their wallet by its user only; one too many
// decided again does no harm.
bool Names(const Command& command, const Keys& moved) {
  const Keys named = KeysOf({&command, 1});
  if (Overlap(named.wallets, moved.wallets) || Overlap(named.sagas, moved.sagas) ||
      Overlap(named.top_ups, moved.top_ups) || Overlap(named.accounts, moved.accounts) ||
      Overlap(named.parts, moved.parts)) {
    return true;
  }
  return named.wallets.empty() && std::visit(
                                      [&](const auto& body) {
                                        return std::ranges::any_of(moved.wallets, [&](const WalletKey& key) {
                                          return key.user_id == body.user_id;
                                        });
                                      },
                                      command.body);
}

}  // namespace

Service::Service(Store& store, const Clock& clock, Random& random, obs::Registry& metrics,
                 batch::Limits limits, std::function<void()> committed, WalletLimits wallet_limits)
    : store_(store),
      clock_(clock),
      ids_(random),
      wallet_limits_(std::move(wallet_limits)),
      committed_(std::move(committed)),
      executor_(
          "wallet", limits, [this](std::span<const Command> commands) { return Run(commands); }, metrics) {}

Result<Service::Outcomes> Service::Run(std::span<const Command> commands) {
  auto outcomes = LoadDecideSave(commands);
  if (!outcomes) health_.Note(false);
  return outcomes;
}

Result<Service::Outcomes> Service::LoadDecideSave(std::span<const Command> commands) {
  const Timestamp now = clock_.Now();
  BOXOFFICE_ASSIGN(const Rows rows, store_.Load(KeysOf(commands)));
  Decision decision = Decide(rows, commands, now, ids_, wallet_limits_);
  Keys moved;
  if (!decision.changes.empty()) {
    BOXOFFICE_ASSIGN(moved, store_.Save(decision.changes));
    health_.Note(true);
  }
  if (moved.empty()) {
    if (!decision.changes.entries.empty()) committed_();
    return Outcomes(std::make_move_iterator(decision.outcomes.begin()),
                    std::make_move_iterator(decision.outcomes.end()));
  }
  // Nothing was saved.
  return batch::WithoutMoved(
      commands, [&moved](const Command& command) { return Names(command, moved); },
      [this](std::span<const Command> others) { return LoadDecideSave(others); });
}

}  // namespace boxoffice::wallet

// What verifying costs per request: cmake --build … --target auth_bench.
#include <benchmark/benchmark.h>

#include "platform/auth/key_pair_for_test.h"
#include "platform/auth/signed_token.h"
#include "platform/auth/token.h"

namespace boxoffice::auth {
namespace {

void VerifyHs256(benchmark::State& state) {
  const SystemClock clock;
  const TokenConfig config{Algorithm::kHs256, std::string(64, 'k'), "boxoffice", "boxoffice"};
  const std::string token =
      *TokenIssuer::Make(config, clock)->Issue("buyer-1", Role::kBuyer, std::chrono::hours(9));
  const TokenVerifier verifier = *TokenVerifier::Make(config, clock);
  for (auto _ : state) benchmark::DoNotOptimize(verifier.Verify(token));
}
BENCHMARK(VerifyHs256);

// With the argument: how many signatures are remembered.
void VerifyEs256(benchmark::State& state) {
  const SystemClock clock;
  const EcKeyPair pair = GenerateEcKeyPair();
  const std::string token =
      *TokenIssuer::Make({Algorithm::kEs256, pair.private_pem, "boxoffice", "boxoffice"}, clock)
           ->Issue("buyer-1", Role::kBuyer, std::chrono::hours(9));
  TokenConfig config{Algorithm::kEs256, pair.public_pem, "boxoffice", "boxoffice"};
  config.remembered_signatures = static_cast<size_t>(state.range(0));
  const TokenVerifier verifier = *TokenVerifier::Make(config, clock);
  for (auto _ : state) benchmark::DoNotOptimize(verifier.Verify(token));
}
BENCHMARK(VerifyEs256)->Arg(0)->Arg(1 << 20);

void SignTicket(benchmark::State& state) {
  const KeyRing ring = *KeyRing::Make({{"2026a", std::string(32, 'k')}});
  const std::string payload(60, 'p');
  for (auto _ : state) benchmark::DoNotOptimize(ring.Sign(payload));
}
BENCHMARK(SignTicket);

void VerifyTicket(benchmark::State& state) {
  const KeyRing ring = *KeyRing::Make({{"2026a", std::string(32, 'k')}});
  const std::string ticket = ring.Sign(std::string(60, 'p'));
  for (auto _ : state) benchmark::DoNotOptimize(ring.Verify(ticket));
}
BENCHMARK(VerifyTicket);

}  // namespace
}  // namespace boxoffice::auth

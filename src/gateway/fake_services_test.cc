// Where the fakes' constructors are: whoever constructs one instantiates the whole of gRPC's callback
// service, some 20 s each.
#include "gateway/fake_services_for_test.h"

namespace boxoffice::gateway {

FakeQueue::FakeQueue() = default;
FakeQueue::~FakeQueue() = default;
FakeSeat::FakeSeat() = default;
FakeSeat::~FakeSeat() = default;
FakeReservation::FakeReservation() = default;
FakeReservation::~FakeReservation() = default;
FakeWallet::FakeWallet() = default;
FakeWallet::~FakeWallet() = default;
FakePayment::FakePayment() = default;
FakePayment::~FakePayment() = default;
FakeRanking::FakeRanking() = default;
FakeRanking::~FakeRanking() = default;
FakeRelay::FakeRelay() = default;
FakeRelay::~FakeRelay() = default;
FakeOutbox::FakeOutbox() = default;
FakeOutbox::~FakeOutbox() = default;

}  // namespace boxoffice::gateway

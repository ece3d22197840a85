// The waiting room as its callers see it: the module on a folder of its own, through the in-process channel.
#include "services/queue/rpc_server.h"

#include <atomic>
#include <memory>
#include <string>

#include <gmock/gmock.h>

#include "boxoffice/queue/v1/queue.grpc.pb.h"
#include "platform/auth/keys.h"
#include "platform/auth/shuffle.h"
#include "platform/rpc/host.h"
#include "platform/rpc/status.h"
#include "services/queue/module.h"
#include "services/queue/rpc_ticket.h"
#include "services/queue/store_sqlite.h"
#include "testing/service_fixture.h"
#include "testing/wait.h"

namespace boxoffice::queue {
namespace {

using ::testing::SizeIs;
using namespace std::chrono_literals;
using Base = testbed::ServiceFixture<QueueModule, v1::QueueService, v1::CommandBatch, v1::OutcomeBatch>;

class QueueRpcTest : public Base {
 protected:
  QueueRpcTest() { StartModule(0ms); }

  void StartModule(milliseconds tick_interval) {
    Base::StartModule(QueueConfig{.tick_interval = tick_interval});
  }
  void Restart(milliseconds tick_interval = 0ms) {
    StopModule();
    StartModule(tick_interval);
  }

  v1::Session Join(const std::string& user) {
    v1::Command command;
    command.mutable_join()->set_show_id(7);
    command.mutable_join()->set_user_id(user);
    return Run(command).session();
  }
  v1::Session Poll(const std::string& token, const std::string& user = "ann") {
    v1::Command command;
    command.mutable_poll()->set_token(token);
    command.mutable_poll()->set_user_id(user);
    return Run(command).session();
  }
  v1::Command BindOf(const std::string& token, const std::string& saga) {
    v1::Command command;
    v1::Bind& bind = *command.mutable_bind();
    bind.set_saga_id(saga);
    bind.set_reservation_id(reservation_);
    bind.set_token(token);
    bind.set_user_id("ann");
    bind.set_show_id(7);
    return command;
  }
  template <typename Body>
  void Fill(Body& body, const std::string& saga) {
    body.set_saga_id(saga);
    body.set_reservation_id(reservation_);
    body.set_user_id("ann");
    body.set_show_id(7);
  }
  v1::Command UnbindOf(const std::string& saga) {
    v1::Command command;
    Fill(*command.mutable_unbind(), saga);
    return command;
  }
  v1::Command CompleteOf(const std::string& saga) {
    v1::Command command;
    Fill(*command.mutable_complete(), saga);
    return command;
  }
  v1::Command ConfigureOf(v1::QueueState state) {
    v1::Command command;
    command.mutable_configure()->set_show_id(7);
    command.mutable_configure()->set_state(state);
    return command;
  }
  v1::Queue Head() {
    grpc::ClientContext context;
    v1::GetHeadsResponse heads;
    EXPECT_TRUE(stub_->GetHeads(&context, {}, &heads).ok());
    return heads.queues_size() == 1 ? heads.queues(0) : v1::Queue();
  }

  std::string reservation_ = NewId();
};

TEST_F(QueueRpcTest, ABuyerGoesThroughTheWholeService) {
  const v1::Session session = Join("ann");
  EXPECT_EQ(session.state(), v1::ACTIVE);
  EXPECT_EQ(session.sequence(), 1);
  EXPECT_EQ(session.expires_at_ms(), ToUnixMs(clock_.Now() + kActiveTime));
  const std::string saga = NewId();
  EXPECT_EQ(Run(BindOf(session.token(), saga)).bind().kind(), v1::BindOutcome::DONE);
  EXPECT_EQ(Run(CompleteOf(saga)).bind().kind(), v1::BindOutcome::DONE);
  EXPECT_EQ(Poll(session.token()).state(), v1::COMPLETED);
  EXPECT_EQ(Head().completed(), 1);
  EXPECT_EQ(Head().active(), 0);
}

TEST_F(QueueRpcTest, AnEdgeThatRepeatsWhatItWasToldIsToldOnlyWhatHasChanged) {
  (void)Join("ann");
  const auto heads = [this](uint64_t epoch, uint64_t revision) {
    grpc::ClientContext context;
    v1::GetHeadsRequest request;
    request.set_epoch(epoch);
    request.set_revision(revision);
    v1::GetHeadsResponse response;
    EXPECT_TRUE(stub_->GetHeads(&context, request, &response).ok());
    return response;
  };
  const v1::GetHeadsResponse all = heads(0, 0);
  EXPECT_EQ(all.queues_size(), 1);
  EXPECT_NE(all.epoch(), 0U);
  const v1::GetHeadsResponse later = heads(all.epoch(), all.revision());
  EXPECT_EQ(later.epoch(), all.epoch());
  EXPECT_EQ(later.queues_size(), 0);
  (void)Join("bob");
  EXPECT_EQ(heads(all.epoch(), all.revision()).queues_size(), 1);
  EXPECT_EQ(heads(all.epoch() + 1, all.revision()).queues_size(), 1) << "of another process";
}

TEST_F(QueueRpcTest, TheTokenIsTheSameTextWhileItLivesAlsoAfterARestart) {
  Run(ConfigureOf(v1::PAUSED));
  const v1::Session session = Join("ann");
  EXPECT_EQ(session.state(), v1::WAITING);
  EXPECT_EQ(Join("ann").token(), session.token());
  Restart();
  EXPECT_EQ(Join("ann").token(), session.token());
  EXPECT_EQ(Poll(session.token()).token(), session.token());
}

TEST_F(QueueRpcTest, EdgesReadTheTokenWithTheSharedKey) {
  const v1::Session session = Join("ann");
  const auto secret = auth::LoadOrCreateSecret(dir_.path() / "keys" / "queue-token.key");
  ASSERT_TRUE(secret.has_value());
  const auto keys = auth::KeyRing::Make({{"queue", *secret}});
  const auto payload = keys->Verify(session.token());
  ASSERT_TRUE(payload.has_value());
  v1::TokenClaims claims;
  ASSERT_TRUE(claims.ParseFromString(*payload));
  EXPECT_EQ(claims.show_id(), 7);
  EXPECT_EQ(claims.user_id(), "ann");
  EXPECT_EQ(claims.sequence(), 1);
  EXPECT_EQ(claims.expires_at_ms(), ToUnixMs(clock_.Now() + kTokenLife));
}

TEST_F(QueueRpcTest, KeysAreRotatedWithoutLosingAnybody) {
  const auth::SigningKey first{"2026a", "the secret that goes, in 2026"};
  const auth::SigningKey second{"2026b", "the secret that comes, in 2026"};
  const auto restart_with = [this](const std::vector<auth::SigningKey>& keys) {
    StopModule();
    Base::StartModule(QueueConfig{.tick_interval = 0ms,
                                  .keys = std::make_shared<const auth::KeyRing>(*auth::KeyRing::Make(keys))});
  };
  restart_with({first});
  Run(ConfigureOf(v1::PAUSED));
  const std::string old_token = Join("ann").token();
  restart_with({first, second});  // every replica and edge knows the new key before any signs with it
  EXPECT_EQ(Poll(old_token).token(), old_token);
  restart_with({second, first});
  const v1::Session exchanged = Poll(old_token);
  EXPECT_EQ(exchanged.sequence(), 1) << "the place is kept";
  EXPECT_THAT(exchanged.token(), ::testing::StartsWith("v1.2026b."));
  EXPECT_EQ(Join("ann").token(), exchanged.token());
  restart_with({second});
  EXPECT_EQ(Poll(exchanged.token()).sequence(), 1);
  EXPECT_EQ(Poll(old_token).refusal(), "token_signature");
  EXPECT_EQ(Join("ann").token(), exchanged.token())
      << "who has lost the token joins again, at the same place";
}

TEST_F(QueueRpcTest, TheBoundOfTheLinesIsTheConfigurations) {
  StopModule();
  Base::StartModule(QueueConfig{.tick_interval = 0ms, .max_places = 1});
  Run(ConfigureOf(v1::PAUSED));
  EXPECT_EQ(Join("ann").state(), v1::WAITING);
  EXPECT_EQ(Join("bob").refusal(), "queue_full");
  EXPECT_EQ(Join("ann").state(), v1::WAITING);
}

TEST_F(QueueRpcTest, ForgedTokensAreRefused) {
  std::string token = Join("ann").token();
  EXPECT_EQ(Poll("rubbish").refusal(), "token_malformed");
  EXPECT_EQ(Poll("").refusal(), "token_malformed");
  const auto other = auth::KeyRing::Make({{"queue", "another secret, of sixteen bytes"}});
  EXPECT_EQ(Poll(IssueTicket(*other, {7, 1, "ann", clock_.Now() + kTokenLife})).refusal(), "token_signature");
  EXPECT_EQ(Poll(token, "bob").refusal(), "token_wrong_user");
  const auto bound = Run(BindOf("rubbish", NewId())).bind();
  EXPECT_EQ(bound.kind(), v1::BindOutcome::REFUSED);
  EXPECT_EQ(bound.refusal(), "token_malformed");
  EXPECT_EQ(Run(BindOf("", NewId())).bind().refusal(), "queue_token_missing");
}

TEST_F(QueueRpcTest, BindingsAndTombstonesOutliveARestart) {
  const v1::Session session = Join("ann");
  const std::string undone = NewId();
  const std::string saga = NewId();
  Run(UnbindOf(undone));
  Run(BindOf(session.token(), saga));
  Restart();
  EXPECT_EQ(Run(BindOf(session.token(), undone)).bind().kind(), v1::BindOutcome::ABORTED);
  EXPECT_EQ(Run(BindOf(session.token(), saga)).bind().kind(), v1::BindOutcome::DONE);
  Run(CompleteOf(saga));
  Restart();
  EXPECT_EQ(Run(CompleteOf(saga)).bind().kind(), v1::BindOutcome::DONE);
  EXPECT_EQ(Run(BindOf(session.token(), saga)).bind().kind(), v1::BindOutcome::DONE);
  EXPECT_EQ(Head().completed(), 1);
}

TEST_F(QueueRpcTest, AnExpiredSessionsSagaGoesOnAfterARestart) {
  const v1::Session session = Join("ann");
  const std::string saga = NewId();
  Run(BindOf(session.token(), saga));
  clock_.Advance(kActiveTime);
  EXPECT_EQ(Poll(session.token()).state(), v1::EXPIRED);
  Restart();
  EXPECT_EQ(Run(BindOf(session.token(), saga)).bind().kind(), v1::BindOutcome::DONE);
  Run(CompleteOf(saga));
  EXPECT_EQ(Poll(session.token()).state(), v1::COMPLETED);
}

TEST_F(QueueRpcTest, HeadsTellForAWhileWhoHasLeftBeforeBeingCalled) {
  const auto leave = [&](const v1::Session& session, const std::string& user) {
    v1::Command command;
    command.mutable_leave()->set_token(session.token());
    command.mutable_leave()->set_user_id(user);
    Run(command);
  };
  leave(Join("ann"), "ann");
  EXPECT_THAT(Head().left_lately(), ::testing::IsEmpty()) << "she was called";
  Run(ConfigureOf(v1::PAUSED));
  const v1::Session bob = Join("bob");
  Join("cid");
  leave(bob, "bob");
  EXPECT_THAT(Head().left_lately(), ::testing::ElementsAre(bob.sequence()));
  Join("dan");
  EXPECT_THAT(Head().left_lately(), ::testing::ElementsAre(bob.sequence()));
  clock_.Advance(kLeftLately + 1ms);
  Join("eve");
  EXPECT_THAT(Head().left_lately(), ::testing::IsEmpty());
}

TEST_F(QueueRpcTest, WhileNoEdgeAsksForHeadsNobodysTimeEnds) {
  Head();
  const v1::Session session = Join("ann");
  clock_.Advance(kActiveTime);
  EXPECT_EQ(Poll(session.token()).state(), v1::ACTIVE) << "there was no edge that she could poll";
}

TEST_F(QueueRpcTest, TheModuleTicks) {
  Run(ConfigureOf(v1::PAUSED));
  const v1::Session session = Join("ann");
  Restart(1ms);
  Run(ConfigureOf(v1::OPEN));
  clock_.Advance(1s);
  EXPECT_TRUE(testbed::Eventually([&] { return Poll(session.token()).state() == v1::ACTIVE; }));
}

TEST_F(QueueRpcTest, HeadsTellWhatAnEdgeNeeds) {
  Run(ConfigureOf(v1::PAUSED));
  Join("a");
  Join("b");
  const v1::Queue head = Head();
  EXPECT_EQ(head.show_id(), 7);
  EXPECT_EQ(head.state(), v1::PAUSED);
  EXPECT_EQ(head.rate_per_s(), 50);
  EXPECT_EQ(head.active_cap(), 500);
  EXPECT_EQ(head.head_sequence(), 0);
  EXPECT_EQ(head.last_sequence(), 2);
  EXPECT_EQ(head.waiting(), 2);
  Restart();
  Join("c");
  const v1::Queue after = Head();
  ASSERT_EQ(after.loadings_size(), 1);
  EXPECT_EQ(after.loadings(0).last_sequence(), 2) << "what was stored then";
  EXPECT_EQ(after.loadings(0).token_end_ms(), ToUnixMs(clock_.Now() + kTokenLife));
}

TEST_F(QueueRpcTest, TheSeedOfADrawIsToldOnceItIsDrawnAndFitsTheCommitment) {
  v1::Command prequeue = ConfigureOf(v1::PREQUEUE);
  prequeue.mutable_configure()->set_opens_at_ms(ToUnixMs(clock_.Now()) + 60'000);
  EXPECT_EQ(Run(prequeue).queue().refusal(), "");
  const v1::Session joined = Join("a");
  EXPECT_EQ(joined.queue_state(), v1::PREQUEUE);
  EXPECT_EQ(joined.opens_at_ms(), ToUnixMs(clock_.Now()) + 60'000);
  Join("b");
  v1::Queue head = Head();
  EXPECT_EQ(head.opens_at_ms(), joined.opens_at_ms());
  EXPECT_EQ(head.draw().commitment().size(), 64);
  EXPECT_EQ(head.draw().seed(), "");
  EXPECT_EQ(head.draw().entrants(), 0);
  const std::string commitment = head.draw().commitment();
  Restart();
  EXPECT_EQ(Run(ConfigureOf(v1::PAUSED)).queue().refusal(), "");
  head = Head();
  EXPECT_EQ(head.draw().commitment(), commitment) << "also over a restart";
  EXPECT_EQ(auth::CommitmentTo(head.draw().seed()), commitment);
  EXPECT_EQ(head.draw().entrants(), 2);
  EXPECT_EQ(Poll(joined.token(), "a").place(), auth::Shuffle(head.draw().seed(), 0, 2).PlaceOf(1));
  EXPECT_EQ(Run(ConfigureOf(v1::PREQUEUE)).queue().refusal(), "queue_drawn");
}

TEST_F(QueueRpcTest, AHeartbeatIsTaken) {
  v1::Command command;
  command.mutable_heartbeat()->set_show_id(7);
  command.mutable_heartbeat()->add_sequences(1);
  EXPECT_TRUE(Run(command).has_heartbeat());
}

TEST_F(QueueRpcTest, TheAuditGoesByPages) {
  const v1::Session session = Join("ann");
  Run(BindOf(session.token(), NewId()));
  Join("bob");
  grpc::ClientContext context;
  v1::AuditRequest request;
  request.set_show_id(7);
  request.set_limit(1);
  v1::AuditResponse page;
  ASSERT_TRUE(stub_->Audit(&context, request, &page).ok());
  ASSERT_THAT(page.rows(), SizeIs(1));
  EXPECT_TRUE(page.more());
  EXPECT_EQ(page.rows(0).user_id(), "ann");
  EXPECT_EQ(page.rows(0).state(), v1::ACTIVE);
  EXPECT_EQ(page.rows(0).reservation_id(), reservation_);
  EXPECT_EQ(page.rows(0).admitted_at_ms(), ToUnixMs(clock_.Now()));
  grpc::ClientContext next;
  request.set_after_sequence(1);
  ASSERT_TRUE(stub_->Audit(&next, request, &page).ok());
  EXPECT_EQ(page.rows(0).user_id(), "bob");
  EXPECT_FALSE(page.more());
}

TEST_F(QueueRpcTest, MalformedCommandsAreErrorsThatNameTheField) {
  const auto detail_of = [this](const v1::Command& command) {
    const Error error = RunError(command);
    EXPECT_EQ(error.code, Code::kInvalidArgument);
    EXPECT_EQ(error.reason, "invalid_field");
    return error.detail;
  };
  using ::testing::StartsWith;
  v1::Command command;
  EXPECT_THAT(detail_of(command), StartsWith("body"));
  command.mutable_join()->set_user_id("ann");
  EXPECT_THAT(detail_of(command), StartsWith("show_id"));
  command.mutable_join()->set_show_id(7);
  command.mutable_join()->set_user_id(std::string(65, 'x'));
  EXPECT_THAT(detail_of(command), StartsWith("user_id"));
  EXPECT_THAT(detail_of(BindOf("t", "short")), StartsWith("saga_id"));
  EXPECT_THAT(detail_of(UnbindOf(std::string(16, '\0'))), StartsWith("saga_id"));
  reservation_.clear();
  EXPECT_THAT(detail_of(CompleteOf(NewId())), StartsWith("reservation_id"));
  EXPECT_THAT(detail_of(ConfigureOf(v1::QUEUE_STATE_UNSPECIFIED)), StartsWith("state"));
  command.mutable_configure()->set_show_id(7);
  command.mutable_configure()->set_rate_per_s(0);
  EXPECT_THAT(detail_of(command), StartsWith("rate_per_s"));
  command.mutable_configure()->set_rate_per_s(1);
  command.mutable_configure()->set_active_cap(0);
  EXPECT_THAT(detail_of(command), StartsWith("active_cap"));
}

// An edge whose heads went back would tell people a worse place than before.
TEST(QueueHeadsTest, AreNotToldByAProcessWhenAnotherMayLead) {
  const testbed::TempDir dir;
  const SystemClock clock;
  obs::Registry metrics;
  const Stores stores = OpenSqlite(dir.path() / "queue.db").value();
  std::atomic<bool> leads = true;
  Service service(*stores.store, clock, metrics, {}, [&leads] { return leads.load(); });
  ASSERT_TRUE(service.Load());
  RpcServer server(service, *stores.history,
                   std::make_shared<auth::KeyRing>(
                       auth::KeyRing::Make({{.id = "k", .secret = std::string(32, 's')}}).value()));
  rpc::Host host;
  ASSERT_TRUE(host.Start(server, {}));
  const auto stub = v1::QueueService::NewStub(host.InProcessChannel());
  const auto heads = [&] {
    grpc::ClientContext context;
    v1::GetHeadsResponse response;
    return stub->GetHeads(&context, {}, &response);
  };
  const auto list = [&] {
    grpc::ClientContext context;
    v1::ListQueuesResponse response;
    return stub->ListQueues(&context, {}, &response);
  };
  EXPECT_TRUE(heads().ok());
  EXPECT_TRUE(list().ok());
  leads = false;
  EXPECT_EQ(rpc::FromStatus(heads()).reason, "not_leading");
  EXPECT_EQ(rpc::FromStatus(list()).reason, "not_leading");
}

}  // namespace
}  // namespace boxoffice::queue

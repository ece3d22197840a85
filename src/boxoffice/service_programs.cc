#include "boxoffice/service_programs.h"

#include "gateway/process.h"
#include "services/payment/module.h"
#include "services/queue/module.h"
#include "services/ranking/module.h"
#include "services/relay/module.h"
#include "services/reservation/module.h"
#include "services/seat/module.h"
#include "services/wallet/module.h"

namespace boxoffice {

std::vector<module::ServiceProgram> ServicePrograms() {
  return {queue::Program(),       seat::Program(),    wallet::Program(), payment::Program(),
          reservation::Program(), ranking::Program(), relay::Program(),  gateway::Program()};
}

std::optional<module::ServiceProgram> FindServiceProgram(std::string_view service) {
  for (module::ServiceProgram& program : ServicePrograms()) {
    if (program.service == service) return std::move(program);
  }
  return std::nullopt;
}

}  // namespace boxoffice

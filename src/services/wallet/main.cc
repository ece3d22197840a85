// boxoffice-wallet: the wallet as a process of its own.
#include "platform/module/serve.h"
#include "services/wallet/module.h"

int main(int argc, char** argv) {
  return boxoffice::module::ServeMain(argc, argv, boxoffice::wallet::Program());
}

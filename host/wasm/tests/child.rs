//! Compiling in a child process. The child is this test binary itself: with its first argument it becomes the compiler, as the
//! host's binary does.

mod common;

use std::process::ExitCode;

use common::{Fake, config, digest, guest, limits, result, run};
use mandate_wasm::{COMPILE_COMMAND, Compiler, Config, Error, Sandbox, compile_child_main};
use tempfile::TempDir;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(COMPILE_COMMAND) {
        return compile_child_main();
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        code_from_a_child_is_callable().await;
        child_that_cannot_compile_says_why().await;
        child_that_dies_is_not_the_components_fault().await;
    });
    println!("compiling in a child process: ok");
    ExitCode::SUCCESS
}

fn sandbox(dir: &TempDir, exe: &str) -> Sandbox {
    Sandbox::new(Config { compiler: Compiler::Child { exe: exe.into() }, ..config(dir) }).unwrap()
}

fn own_binary() -> String {
    std::env::current_exe().unwrap().display().to_string()
}

async fn code_from_a_child_is_callable() {
    let dir = TempDir::new().unwrap();
    let (sandbox, bytes) = (sandbox(&dir, &own_binary()), guest("test_echo"));
    let delegate = sandbox.prepare(&digest(&bytes), &bytes).await.unwrap();
    let returned = run(&delegate, r#"{"orderId":"17","amounts":[1,2]}"#, limits(), &Fake::ok()).await;
    assert_eq!(result(&returned)["total"], 3.0);
}

async fn child_that_cannot_compile_says_why() {
    let dir = TempDir::new().unwrap();
    let bytes = garbled();
    match sandbox(&dir, &own_binary()).prepare(&digest(&bytes), &bytes).await {
        // Refused before a child is ever started.
        Err(Error::Misfit(misfit)) => assert!(misfit.to_string().contains("damaged"), "{misfit}"),
        other => panic!("{:?}", other.map(|_| "compiled")),
    }
}

async fn child_that_dies_is_not_the_components_fault() {
    let dir = TempDir::new().unwrap();
    let bytes = guest("test_echo");
    for (exe, says) in [("/bin/false", "limits"), ("/nonexistent/mandate", "No such file")] {
        match sandbox(&dir, exe).prepare(&digest(&bytes), &bytes).await {
            Err(Error::Compiler(message)) => assert!(message.contains(says), "{message}"),
            other => panic!("{exe}: {:?}", other.map(|_| "compiled")),
        }
    }
}

/// A component with a byte of its code changed so that it is no longer valid.
fn garbled() -> Vec<u8> {
    let mut bytes = guest("test_echo");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xff);
    bytes
}

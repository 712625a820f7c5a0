//! A component that is not a delegate: it exports something else and imports what no host of ours offers.

#[cfg(target_family = "wasm")]
#[allow(unsafe_code, missing_docs, reason = "generated: the canonical ABI is raw memory")]
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package acme:payroll@1.0.0;

            interface ledger {
                book: func(amount: u64) -> bool;
            }

            world clerk {
                import ledger;
                export pay: func(person: string) -> bool;
            }
        ",
    });

    struct Component;

    impl Guest for Component {
        fn pay(person: String) -> bool {
            acme::payroll::ledger::book(person.len() as u64)
        }
    }

    export!(Component);
}

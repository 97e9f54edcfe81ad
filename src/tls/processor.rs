//! Whether TLS can be had on this machine at all. graviola asserts that the processor has certain
//! instructions, and a failed assertion would end the program: so it is asked before.

/// Whether this machine can do TLS.
///
/// # Errors
///
/// One line: that it is not built in, or which instructions the processor lacks.
pub fn available() -> Result<(), String> {
    match cfg!(feature = "tls") {
        true => judge(&features()),
        false => Err("TLS needs the feature tls, which this cooee was built without".into()),
    }
}

fn judge(features: &[(&str, bool)]) -> Result<(), String> {
    if features.is_empty() {
        let architecture = std::env::consts::ARCH;
        return Err(format!(
            "TLS needs a processor of the kind x86_64 or aarch64, and this is {architecture}"
        ));
    }
    let lacking: Vec<&str> =
        features.iter().filter(|(_, has)| !has).map(|(name, _)| *name).collect();
    match lacking.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "TLS needs instructions that this processor has not: {}; everything else works \
             without them",
            lacking.join(", ")
        )),
    }
}

/// What graviola's assembler uses. It asserts most of these itself (`low/x86_64/cpu.rs`).
#[cfg(target_arch = "x86_64")]
fn features() -> [(&'static str, bool); 8] {
    [
        ("aes", is_x86_feature_detected!("aes")),
        ("pclmulqdq", is_x86_feature_detected!("pclmulqdq")),
        ("ssse3", is_x86_feature_detected!("ssse3")),
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("adx", is_x86_feature_detected!("adx")),
        ("bmi1", is_x86_feature_detected!("bmi1")),
        ("bmi2", is_x86_feature_detected!("bmi2")),
    ]
}

/// What graviola asserts (`low/aarch64/cpu.rs`); a Raspberry Pi has them from the fifth on.
#[cfg(target_arch = "aarch64")]
fn features() -> [(&'static str, bool); 4] {
    use std::arch::is_aarch64_feature_detected;
    [
        ("neon", is_aarch64_feature_detected!("neon")),
        ("aes", is_aarch64_feature_detected!("aes")),
        ("pmull", is_aarch64_feature_detected!("pmull")),
        ("sha2", is_aarch64_feature_detected!("sha2")),
    ]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> [(&'static str, bool); 0] {
    []
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_processor_lacks_is_named_in_one_line() {
        assert_eq!(judge(&[("aes", true), ("adx", true)]), Ok(()));
        let line = judge(&[("aes", true), ("adx", false), ("bmi2", false)]).unwrap_err();
        assert!(line.contains("has not: adx, bmi2;"), "{line}");
        assert!(judge(&[]).unwrap_err().contains("x86_64 or aarch64"));
    }

    #[cfg(feature = "tls")]
    #[test]
    fn what_is_asked_is_what_the_library_asserts() {
        if available().is_ok() {
            rustls_graviola::Ticketer::new().expect("it would have panicked");
        }
    }
}

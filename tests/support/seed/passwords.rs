//! Passwords and their hashes, computed once by Werkzeug 3.1 (`scrypt:32768:8:1`, 162 characters each), so that a
//! test can log in again after a migration: `hashlib.scrypt(password, salt, 32768, 8, 1)` has to give the rest.

/// Password and hash. User number `n` (counted from 0) has pair `n % 8`.
pub const PASSWORDS: [(&str, &str); 8] = [
    (
        "admin123",
        "scrypt:32768:8:1$AAkDHlC4Yi0BA6S4$3bae232c97a25ea159f5f5fbb29b520dbc4b1c9ceaefeff7401b4804\
         15b8e2138354e5863d57f87492836ebd3275c32fcc9d023fe777c8db74087ff64dcbab6b",
    ),
    (
        "senha-forte!",
        "scrypt:32768:8:1$cnHmWnykumRBIJCn$279ea5af0f14f58785271f0d2cd521c217ce346e3bafae6bebf5c685\
         00de9605605383423d8530e94be019fa3a71325cbcf46ab99c34bd22e2637468b78ff623",
    ),
    (
        "Técnico#2024",
        "scrypt:32768:8:1$YWfCwls0jj2720ba$0643686dc08ab9cc593ff8b7b62c56f8f858455e170ff902f5aa0986\
         8fed26eace18f2f2c7534c0dd243f75aefbed9ac8c8976955b31f3b19c834ff45dbe37bd",
    ),
    (
        "correct horse battery staple",
        "scrypt:32768:8:1$nhGFq0kK2COjxCVd$e849d36042b5b5a07b77fdd0d3e0606c1a05e755a1bffadaa1f252ad\
         5fb24e3af1b91e9a51220ab79a22e2e84a84b7eda1e5a58136865cc3b8e8e227bb286b16",
    ),
    (
        "çãõé ÀÉ",
        "scrypt:32768:8:1$HAiH7SaD7fx7A9FL$44ad8bfb4241865909fdb7ec3d0741c1ef19c602677cd273eac60dc1\
         578cbf3130e497aa3ea8aeade15513c491bc7ce7d1866dd1f2f2b727464b76c7b6bf62fd",
    ),
    (
        "😀 emoji",
        "scrypt:32768:8:1$LQH2BrBEJttnCVTI$fe374818a5b0be8ae870602ca1507019375ae4f3fec735542581fc82\
         b738a889933ca5e30bedd41ec53cbbb0b97ec0c9bba4de067d15ee7a4367c974acaa0cc5",
    ),
    (
        "o'neil\\\"quoted\"",
        "scrypt:32768:8:1$o9ZlLqlMA6uzby7t$eda198663f384daf635006306047d46bcfa1a86e786c39c4c89f2c7a\
         efa557037102245eafa139686bb16690d08ee1e6e18661355cffdf29a16f00c2ae16738f",
    ),
    (
        "trailing blank ",
        "scrypt:32768:8:1$HTFlib7URVhRJ3kH$ab2cd959b6e06fa0c0e978bb8585a4b3c356e1fcd6ca9b14358cf319\
         b94449121181aa2ee2d958f7ff4d381c70e9f151a9c1bb45169bd693e9158190c87c89bd",
    ),
];

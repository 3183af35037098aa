//! Spanish from the first page to the record: what the browser asks for until somebody signs in, what they chose after that.

use crate::linking::{answer, new_account, own_code, stranger, submit, world};
use crate::support::http::Client as Browser;
use crate::support::world::run;

/// A page is Spanish, says what it is to say and nothing of what it says in English.
async fn says(browser: &mut Browser, path: &str, spanish: &[&str], english: &[&str]) {
    let page = browser.get(path).await.body;
    assert!(page.contains("<html lang=\"es\">"), "{path}: {page}");
    for words in spanish {
        assert!(page.contains(words), "{path}: {words} is not in {page}");
    }
    for words in english {
        assert!(!page.contains(words), "{path}: {words} is in {page}");
    }
}

#[test]
fn whoever_reads_spanish_links_a_record_without_a_word_of_english() {
    run(async {
        let world = world().await;
        let code = own_code(&world, "MRN-994045").await;
        let mut browser = stranger(&world).reading("es-MX,es;q=0.9,en;q=0.8");
        for (path, spanish, english) in [
            ("/sign-in", "¿Olvidó su contraseña", "Forgot"),
            ("/recover", "Nombre de usuario o correo electrónico", "Username"),
            ("/find", "Buscar su consultorio", "Find your practice"),
            ("/claim", "Primero entre", "Sign in"),
            ("/invite", "Fecha de nacimiento del paciente", "Birth date"),
            ("/nowhere", "No se encontró", "Not found"),
        ] {
            says(&mut browser, path, &[spanish], &[english]).await;
        }
        // What is wrong with a form is said in the language of the form.
        let page = browser.get("/sign-in").await;
        let wrong = submit(&mut browser, &page, "/sign-in", &[("username", "nobody"), ("password", "x")]).await;
        assert!(wrong.body.contains("El nombre de usuario o la contraseña no es correcto."), "{}", wrong.body);
        let mistyped = answer(&mut browser, "AB12-CD34-EF56", "1991-04-14", "Okafor").await;
        assert!(mistyped.body.contains("El código está mal escrito"), "{}", mistyped.body);
        let ready = answer(&mut browser, &code, "1991-04-14", "Okafor").await;
        assert_eq!((ready.status, ready.location()), (303, "/invite/account"), "{}", ready.body);
        let page = browser.get("/invite/account").await;
        let short =
            submit(&mut browser, &page, "/invite/account", &[("username", "daniel"), ("password", "short")]).await;
        assert!(short.body.contains("Elija otra contraseña: debe tener al menos 15 caracteres"), "{}", short.body);
        let confirm = new_account(&mut browser, "daniel").await;
        assert!(confirm.body.contains("Sí, soy yo") && !confirm.body.contains("born"), "{}", confirm.body);
        let done = submit(&mut browser, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        assert_eq!((done.status, done.location()), (303, "/"), "{}", done.body);

        // The account made in Spanish stays Spanish, whatever browser it is looked at with.
        let mut elsewhere = browser.reading("en-US");
        says(&mut elsewhere, "/", &["Hola, daniel"], &["Hello"]).await;
        says(&mut elsewhere, "/account/sessions", &["Un navegador", "(esta)"], &["A browser", "Last used"]).await;
        let labels = ["Health record", "Nothing is listed", "Allergies", "More of the record", "Test results"];
        says(&mut elsewhere, "/record", &["Expediente médico", "Alergias", "Más del expediente"], &labels).await;
        says(&mut elsewhere, "/record/visits", &["Consultas", "Volver al expediente"], &["Visits", "Back to"]).await;
        says(&mut elsewhere, "/apps", &["No hay ninguna aplicación conectada."], &["Connected apps"]).await;

        // Whoever reads neither language reads English.
        let mut french = stranger(&world).reading("fr-CA,fr;q=0.9,es;q=0");
        let page = french.get("/sign-in").await.body;
        assert!(page.contains("<html lang=\"en\">") && page.contains("Forgot your password or username?"), "{page}");
    });
}

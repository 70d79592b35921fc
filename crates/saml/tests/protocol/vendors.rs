//! Responses in the shapes that well-known identity providers give them, written for these tests. Who signs what and
//! how is as each does by default.

use crate::forge::sign::{EXCLUSIVE, INCLUSIVE, Spec, x509_data};
use crate::forge::{ACS, ASSERTION_ID, Form, IDP, REQUEST, RESPONSE_ID, SP, USER, keys};

/// One provider's shape.
pub struct Shape {
    pub name: &'static str,
    /// Unsigned; the email is in the attribute `email`.
    pub xml: String,
    pub spec: Spec,
    /// What it signs by default.
    pub form: Form,
    /// White space around and prolog before the signed document.
    pub finish: fn(String) -> String,
}

fn as_is(xml: String) -> String {
    xml
}

const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
const BASIC: &str = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic";
const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";

pub fn shapes() -> Vec<Shape> {
    vec![
        okta(),
        entra(),
        adfs(),
        google(),
        onelogin(),
        keycloak(),
        simplesamlphp(),
        shibboleth(),
        pingfederate(),
        pretty_printed(),
        inclusive(),
        minimal(),
        jumpcloud(),
    ]
}

fn okta() -> Shape {
    let xml = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><saml2p:Response xmlns:saml2p="{PROTOCOL}" Destination="{ACS}" ID="{RESPONSE_ID}" InResponseTo="{REQUEST}" IssueInstant="2026-11-20T09:59:59.921Z" Version="2.0" xmlns:xs="http://www.w3.org/2001/XMLSchema"><saml2:Issuer xmlns:saml2="{ASSERTION}" Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity">{IDP}</saml2:Issuer><saml2p:Status xmlns:saml2p="{PROTOCOL}"><saml2p:StatusCode Value="{SUCCESS}"/></saml2p:Status><saml2:Assertion xmlns:saml2="{ASSERTION}" ID="{ASSERTION_ID}" IssueInstant="2026-11-20T09:59:59.921Z" Version="2.0" xmlns:xs="http://www.w3.org/2001/XMLSchema"><saml2:Issuer Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity" xmlns:saml2="{ASSERTION}">{IDP}</saml2:Issuer><saml2:Subject xmlns:saml2="{ASSERTION}"><saml2:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified">{USER}</saml2:NameID><saml2:SubjectConfirmation Method="{BEARER}"><saml2:SubjectConfirmationData InResponseTo="{REQUEST}" NotOnOrAfter="2026-11-20T10:04:59.922Z" Recipient="{ACS}"/></saml2:SubjectConfirmation></saml2:Subject><saml2:Conditions NotBefore="2026-11-20T09:54:59.922Z" NotOnOrAfter="2026-11-20T10:04:59.922Z" xmlns:saml2="{ASSERTION}"><saml2:AudienceRestriction><saml2:Audience>{SP}</saml2:Audience></saml2:AudienceRestriction></saml2:Conditions><saml2:AuthnStatement AuthnInstant="2026-11-20T09:30:00.000Z" SessionIndex="{REQUEST}" xmlns:saml2="{ASSERTION}"><saml2:AuthnContext><saml2:AuthnContextClassRef>{PASSWORD}</saml2:AuthnContextClassRef></saml2:AuthnContext></saml2:AuthnStatement><saml2:AttributeStatement xmlns:saml2="{ASSERTION}"><saml2:Attribute Name="email" NameFormat="{BASIC}"><saml2:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">{USER}</saml2:AttributeValue></saml2:Attribute></saml2:AttributeStatement></saml2:Assertion></saml2p:Response>"#
    );
    let spec = Spec { prefix_list: Some("xs"), ..Spec::default() };
    Shape { name: "Okta", xml, spec, form: Form::Both, finish: as_is }
}

fn entra() -> Shape {
    let xml = format!(
        r#"<samlp:Response ID="{RESPONSE_ID}" Version="2.0" IssueInstant="2026-11-20T09:59:59.121Z" Destination="{ACS}" InResponseTo="{REQUEST}" xmlns:samlp="{PROTOCOL}"><Issuer xmlns="{ASSERTION}">{IDP}</Issuer><samlp:Status><samlp:StatusCode Value="{SUCCESS}"/></samlp:Status><Assertion ID="{ASSERTION_ID}" IssueInstant="2026-11-20T09:59:59.111Z" Version="2.0" xmlns="{ASSERTION}"><Issuer>{IDP}</Issuer><Subject><NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">{USER}</NameID><SubjectConfirmation Method="{BEARER}"><SubjectConfirmationData InResponseTo="{REQUEST}" NotOnOrAfter="2026-11-20T10:59:58.981Z" Recipient="{ACS}"/></SubjectConfirmation></Subject><Conditions NotBefore="2026-11-20T09:54:58.981Z" NotOnOrAfter="2026-11-20T10:59:58.981Z"><AudienceRestriction><Audience>{SP}</Audience></AudienceRestriction></Conditions><AttributeStatement><Attribute Name="http://schemas.microsoft.com/identity/claims/tenantid"><AttributeValue>11111111-2222-3333-4444-555555555555</AttributeValue></Attribute><Attribute Name="http://schemas.microsoft.com/claims/authnmethodsreferences"><AttributeValue>http://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password</AttributeValue><AttributeValue>http://schemas.microsoft.com/claims/multipleauthn</AttributeValue></Attribute><Attribute Name="email"><AttributeValue>{USER}</AttributeValue></Attribute></AttributeStatement><AuthnStatement AuthnInstant="2026-11-20T08:00:00.000Z" SessionIndex="{ASSERTION_ID}"><AuthnContext><AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</AuthnContextClassRef></AuthnContext></AuthnStatement></Assertion></samlp:Response>"#
    );
    Shape {
        name: "Entra",
        xml,
        spec: Spec { prefix: "", ..Spec::default() },
        form: Form::Assertion,
        finish: as_is,
    }
}

fn adfs() -> Shape {
    let xml = format!(
        r#"<samlp:Response ID="{RESPONSE_ID}" Version="2.0" IssueInstant="2026-11-20T10:00:00.733Z" Destination="{ACS}" Consent="urn:oasis:names:tc:SAML:2.0:consent:unspecified" InResponseTo="{REQUEST}" xmlns:samlp="{PROTOCOL}"><Issuer xmlns="{ASSERTION}">{IDP}</Issuer><samlp:Status><samlp:StatusCode Value="{SUCCESS}" /></samlp:Status><Assertion ID="{ASSERTION_ID}" IssueInstant="2026-11-20T10:00:00.733Z" Version="2.0" xmlns="{ASSERTION}"><Issuer>{IDP}</Issuer><Subject><NameID>{USER}</NameID><SubjectConfirmation Method="{BEARER}"><SubjectConfirmationData InResponseTo="{REQUEST}" NotOnOrAfter="2026-11-20T10:05:00.733Z" Recipient="{ACS}" /></SubjectConfirmation></Subject><Conditions NotBefore="2026-11-20T10:00:00.687Z" NotOnOrAfter="2026-11-20T11:00:00.687Z"><AudienceRestriction><Audience>{SP}</Audience></AudienceRestriction></Conditions><AttributeStatement><Attribute Name="http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"><AttributeValue>alice@corp.example.com</AttributeValue></Attribute><Attribute Name="http://schemas.xmlsoap.org/claims/Group"><AttributeValue>Domain Users</AttributeValue><AttributeValue>R&amp;D</AttributeValue></Attribute><Attribute Name="email"><AttributeValue>{USER}</AttributeValue></Attribute></AttributeStatement><AuthnStatement AuthnInstant="2026-11-20T10:00:00.546Z" SessionIndex="{ASSERTION_ID}"><AuthnContext><AuthnContextClassRef>{PASSWORD}</AuthnContextClassRef></AuthnContext></AuthnStatement></Assertion></samlp:Response>"#
    );
    let certificate = keys::certificate_base64("idp");
    let info = format!(
        "<KeyInfo xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></KeyInfo>"
    );
    // The whole KeyInfo is in a default namespace, inside a signature with a prefix.
    let spec = Spec { key_info: Some(info), ..Spec::default() };
    Shape { name: "ADFS", xml, spec, form: Form::Assertion, finish: as_is }
}

fn google() -> Shape {
    let xml = format!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="no"?><saml2p:Response xmlns:saml2p="{PROTOCOL}" Destination="{ACS}" ID="{RESPONSE_ID}" InResponseTo="{REQUEST}" IssueInstant="2026-11-20T09:59:58.000Z" Version="2.0"><saml2:Issuer xmlns:saml2="{ASSERTION}">{IDP}</saml2:Issuer><saml2p:Status><saml2p:StatusCode Value="{SUCCESS}"/></saml2p:Status><saml2:Assertion xmlns:saml2="{ASSERTION}" ID="{ASSERTION_ID}" IssueInstant="2026-11-20T09:59:58.000Z" Version="2.0"><saml2:Issuer>{IDP}</saml2:Issuer><saml2:Subject><saml2:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">{USER}</saml2:NameID><saml2:SubjectConfirmation Method="{BEARER}"><saml2:SubjectConfirmationData InResponseTo="{REQUEST}" NotOnOrAfter="2026-11-20T10:04:58.000Z" Recipient="{ACS}"/></saml2:SubjectConfirmation></saml2:Subject><saml2:Conditions NotBefore="2026-11-20T09:54:58.000Z" NotOnOrAfter="2026-11-20T10:04:58.000Z"><saml2:AudienceRestriction><saml2:Audience>{SP}</saml2:Audience></saml2:AudienceRestriction></saml2:Conditions><saml2:AttributeStatement><saml2:Attribute Name="email"><saml2:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:anyType">{USER}</saml2:AttributeValue></saml2:Attribute></saml2:AttributeStatement><saml2:AuthnStatement AuthnInstant="2026-11-20T07:00:00.000Z" SessionIndex="{ASSERTION_ID}"><saml2:AuthnContext><saml2:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified</saml2:AuthnContextClassRef></saml2:AuthnContext></saml2:AuthnStatement></saml2:Assertion></saml2p:Response>"#
    );
    let certificate = keys::certificate_base64("idp");
    // Java's serialiser writes the carriage returns of MIME base64 as references.
    let lines = crate::forge::sign::break_lines(&certificate, "&#13;\n");
    let info = format!(
        "<ds:X509Data><ds:X509SubjectName>CN=idp.example.com,O=Example</ds:X509SubjectName><ds:X509Certificate>{lines}</ds:X509Certificate></ds:X509Data>"
    );
    let spec = Spec { key_info: Some(info), ..Spec::default() };
    fn reference_carriage_returns(xml: String) -> String {
        let (before, rest) = xml.split_once("<ds:SignatureValue>").unwrap();
        let (value, after) = rest.split_once("</ds:SignatureValue>").unwrap();
        let value = crate::forge::sign::break_lines(value, "&#13;\n");
        format!("{before}<ds:SignatureValue>{value}</ds:SignatureValue>{after}")
    }
    Shape { name: "Google", xml, spec, form: Form::Response, finish: reference_carriage_returns }
}

fn onelogin() -> Shape {
    let xml = format!(
        r#"<samlp:Response xmlns:saml="{ASSERTION}" xmlns:samlp="{PROTOCOL}" ID="{RESPONSE_ID}" Version="2.0" IssueInstant="2026-11-20T10:00:00Z" Destination="{ACS}" InResponseTo="{REQUEST}"><saml:Issuer>{IDP}</saml:Issuer><samlp:Status><samlp:StatusCode Value="{SUCCESS}"/></samlp:Status><saml:Assertion xmlns:saml="{ASSERTION}" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" Version="2.0" ID="{ASSERTION_ID}" IssueInstant="2026-11-20T10:00:00Z"><saml:Issuer>{IDP}</saml:Issuer><saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">{USER}</saml:NameID><saml:SubjectConfirmation Method="{BEARER}"><saml:SubjectConfirmationData NotOnOrAfter="2026-11-20T10:03:00Z" Recipient="{ACS}" InResponseTo="{REQUEST}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="2026-11-20T09:57:00Z" NotOnOrAfter="2026-11-20T10:03:00Z"><saml:AudienceRestriction><saml:Audience>{SP}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="2026-11-20T09:59:59Z" SessionNotOnOrAfter="2026-11-21T10:00:00Z" SessionIndex="_index"><saml:AuthnContext><saml:AuthnContextClassRef>{PASSWORD}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute NameFormat="{BASIC}" Name="email"><saml:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">{USER}</saml:AttributeValue></saml:Attribute><saml:Attribute NameFormat="{BASIC}" Name="memberOf"><saml:AttributeValue xsi:type="xs:string"/></saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>"#
    );
    let spec = Spec { prefix_list: Some("xs xsi"), ..Spec::default() };
    Shape { name: "OneLogin", xml, spec, form: Form::Assertion, finish: as_is }
}

fn keycloak() -> Shape {
    let xml = format!(
        r#"<samlp:Response xmlns:samlp="{PROTOCOL}" xmlns:saml="{ASSERTION}" Destination="{ACS}" ID="{RESPONSE_ID}" InResponseTo="{REQUEST}" IssueInstant="2026-11-20T09:59:59.640Z" Version="2.0"><saml:Issuer>{IDP}</saml:Issuer><samlp:Status><samlp:StatusCode Value="{SUCCESS}"/></samlp:Status><saml:Assertion xmlns="{ASSERTION}" ID="{ASSERTION_ID}" IssueInstant="2026-11-20T09:59:59.639Z" Version="2.0"><saml:Issuer>{IDP}</saml:Issuer><saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">{USER}</saml:NameID><saml:SubjectConfirmation Method="{BEARER}"><saml:SubjectConfirmationData InResponseTo="{REQUEST}" NotOnOrAfter="2026-11-20T10:04:57.639Z" Recipient="{ACS}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="2026-11-20T09:59:57.639Z" NotOnOrAfter="2026-11-20T10:00:57.639Z"><saml:AudienceRestriction><saml:Audience>{SP}</saml:Audience></saml:AudienceRestriction><saml:OneTimeUse/></saml:Conditions><saml:AuthnStatement AuthnInstant="2026-11-20T09:59:59.640Z" SessionIndex="3d2f::a1b2" SessionNotOnOrAfter="2026-11-20T19:59:59.640Z"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute FriendlyName="email" Name="email" NameFormat="{BASIC}"><saml:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">{USER}</saml:AttributeValue></saml:Attribute><saml:Attribute Name="Role" NameFormat="{BASIC}"><saml:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">offline_access</saml:AttributeValue></saml:Attribute><saml:Attribute Name="Role" NameFormat="{BASIC}"><saml:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">user</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>"#
    );
    let info = format!(
        "<ds:KeyName>kid</ds:KeyName>{}<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AQAB</ds:Modulus><ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>",
        x509_data("idp")
    );
    let spec = Spec { prefix: "dsig", key_info: Some(info), ..Spec::default() };
    Shape { name: "Keycloak", xml, spec, form: Form::Both, finish: as_is }
}

fn simplesamlphp() -> Shape {
    let xml = format!(
        r#"<samlp:Response xmlns:samlp="{PROTOCOL}" xmlns:saml="{ASSERTION}" ID="{RESPONSE_ID}" Version="2.0" IssueInstant="2026-11-20T10:00:00Z" Destination="{ACS}" InResponseTo="{REQUEST}"><saml:Issuer>{IDP}</saml:Issuer><samlp:Status><samlp:StatusCode Value="{SUCCESS}"/></samlp:Status><saml:Assertion xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xs="http://www.w3.org/2001/XMLSchema" ID="{ASSERTION_ID}" Version="2.0" IssueInstant="2026-11-20T10:00:00Z"><saml:Issuer>{IDP}</saml:Issuer><saml:Subject><saml:NameID SPNameQualifier="{SP}" Format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient">{USER}</saml:NameID><saml:SubjectConfirmation Method="{BEARER}"><saml:SubjectConfirmationData NotOnOrAfter="2026-11-20T10:05:00Z" Recipient="{ACS}" InResponseTo="{REQUEST}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="2026-11-20T09:59:30Z" NotOnOrAfter="2026-11-20T10:05:00Z"><saml:AudienceRestriction><saml:Audience>{SP}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="2026-11-20T10:00:00Z" SessionNotOnOrAfter="2026-11-20T18:00:00Z" SessionIndex="_ab"><saml:AuthnContext><saml:AuthnContextClassRef>{PASSWORD}</saml:AuthnContextClassRef><saml:AuthenticatingAuthority>https://upstream.example.com</saml:AuthenticatingAuthority></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="uid" NameFormat="{BASIC}"><saml:AttributeValue xsi:type="xs:string">alice</saml:AttributeValue></saml:Attribute><saml:Attribute Name="email" NameFormat="{BASIC}"><saml:AttributeValue xsi:type="xs:string">{USER}</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>"#
    );
    Shape { name: "SimpleSAMLphp", xml, spec: Spec::default(), form: Form::Both, finish: as_is }
}

fn shibboleth() -> Shape {
    let xml = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<saml2p:Response Destination="{ACS}" ID="{RESPONSE_ID}" InResponseTo="{REQUEST}" IssueInstant="2026-11-20T09:59:59.000Z" Version="2.0" xmlns:saml2p="{PROTOCOL}"><saml2:Issuer xmlns:saml2="{ASSERTION}">{IDP}</saml2:Issuer><saml2p:Status><saml2p:StatusCode Value="{SUCCESS}"/><saml2p:StatusMessage>fine</saml2p:StatusMessage></saml2p:Status><saml2:Assertion ID="{ASSERTION_ID}" IssueInstant="2026-11-20T09:59:59.000Z" Version="2.0" xmlns:saml2="{ASSERTION}" xmlns:xsd="http://www.w3.org/2001/XMLSchema"><saml2:Issuer>{IDP}</saml2:Issuer><saml2:Subject><saml2:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient" NameQualifier="{IDP}" SPNameQualifier="{SP}">{USER}</saml2:NameID><saml2:SubjectConfirmation Method="{BEARER}"><saml2:SubjectConfirmationData Address="203.0.113.7" InResponseTo="{REQUEST}" NotOnOrAfter="2026-11-20T10:04:59.000Z" Recipient="{ACS}"/></saml2:SubjectConfirmation></saml2:Subject><saml2:Conditions NotBefore="2026-11-20T09:59:59.000Z" NotOnOrAfter="2026-11-20T10:04:59.000Z"><saml2:AudienceRestriction><saml2:Audience>https://federation.example.org</saml2:Audience><saml2:Audience>{SP}</saml2:Audience></saml2:AudienceRestriction></saml2:Conditions><saml2:AuthnStatement AuthnInstant="2026-11-20T09:59:59.000Z" SessionIndex="_ff"><saml2:SubjectLocality Address="203.0.113.7"/><saml2:AuthnContext><saml2:AuthnContextClassRef>{PASSWORD}</saml2:AuthnContextClassRef></saml2:AuthnContext></saml2:AuthnStatement><saml2:AttributeStatement><saml2:Attribute FriendlyName="eduPersonTargetedID" Name="urn:oid:1.3.6.1.4.1.5923.1.1.1.10" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri"><saml2:AttributeValue><saml2:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" NameQualifier="{IDP}" SPNameQualifier="{SP}">opaque</saml2:NameID></saml2:AttributeValue></saml2:Attribute><saml2:Attribute FriendlyName="mail" Name="email" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri"><saml2:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xsd:string">{USER}</saml2:AttributeValue></saml2:Attribute></saml2:AttributeStatement></saml2:Assertion></saml2p:Response>"#
    );
    let spec = Spec {
        prefix_list: Some("xsd"),
        signature_method: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
        digest_method: "http://www.w3.org/2001/04/xmlenc#sha512",
        pretty: true,
        ..Spec::default()
    };
    Shape { name: "Shibboleth", xml, spec, form: Form::Response, finish: as_is }
}

fn pingfederate() -> Shape {
    let xml = format!(
        r#"<samlp:Response Version="2.0" ID="{RESPONSE_ID}" IssueInstant="2026-11-20T10:00:00.044Z" InResponseTo="{REQUEST}" Destination="{ACS}" xmlns:samlp="{PROTOCOL}"><saml:Issuer xmlns:saml="{ASSERTION}">{IDP}</saml:Issuer><samlp:Status><samlp:StatusCode Value="{SUCCESS}"/></samlp:Status><saml:Assertion ID="{ASSERTION_ID}" IssueInstant="2026-11-20T10:00:00.067Z" Version="2.0" xmlns:saml="{ASSERTION}"><saml:Issuer>{IDP}</saml:Issuer><saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified">{USER}</saml:NameID><saml:SubjectConfirmation Method="{BEARER}"><saml:SubjectConfirmationData Recipient="{ACS}" NotOnOrAfter="2026-11-20T10:05:00.067Z" InResponseTo="{REQUEST}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="2026-11-20T09:55:00.067Z" NotOnOrAfter="2026-11-20T10:05:00.067Z"><saml:AudienceRestriction><saml:Audience>{SP}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement SessionIndex="x.y-z" AuthnInstant="2026-11-20T10:00:00.066Z"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement xmlns:xs="http://www.w3.org/2001/XMLSchema"><saml:Attribute Name="email" NameFormat="{BASIC}"><saml:AttributeValue xsi:type="xs:string" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{USER}</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>"#
    );
    let spec = Spec { pretty: true, ..Spec::default() };
    Shape { name: "PingFederate", xml, spec, form: Form::Response, finish: as_is }
}

fn pretty_printed() -> Shape {
    let xml = crate::forge::template().replace("><", ">\n    <");
    let spec = Spec { pretty: true, ..Spec::default() };
    fn surround(xml: String) -> String {
        format!("<?xml version='1.0' encoding='utf-8' ?>\n<!-- made by hand -->\n{xml}\n<!-- end -->\n")
    }
    Shape { name: "pretty-printed", xml, spec, form: Form::Assertion, finish: surround }
}

fn inclusive() -> Shape {
    let xml = crate::forge::template()
        .replace("<saml2p:Response ", "<saml2p:Response xml:lang=\"en\" xmlns:unused=\"urn:unused\" ");
    let spec = Spec { signed_info_form: INCLUSIVE, content_form: Some(INCLUSIVE), ..Spec::default() };
    Shape { name: "inclusive canonicalization", xml, spec, form: Form::Both, finish: as_is }
}

fn minimal() -> Shape {
    let xml = format!(
        r#"<Response xmlns="{PROTOCOL}" ID="{RESPONSE_ID}" InResponseTo="{REQUEST}" IssueInstant="2026-11-20T10:00:00+00:00" Version="2.0"><Status><StatusCode Value="{SUCCESS}"/></Status><Assertion xmlns="{ASSERTION}" ID="{ASSERTION_ID}" IssueInstant="2026-11-20T10:00:00+00:00" Version="2.0"><Issuer>{IDP}</Issuer><Subject><NameID>{USER}</NameID><SubjectConfirmation Method="{BEARER}"><SubjectConfirmationData NotOnOrAfter="2026-11-20T12:05:00+02:00" Recipient="{ACS}" InResponseTo="{REQUEST}"/></SubjectConfirmation></Subject><Conditions><AudienceRestriction><Audience>{SP}</Audience></AudienceRestriction></Conditions><AttributeStatement><Attribute Name="email"><AttributeValue>{USER}</AttributeValue></Attribute></AttributeStatement></Assertion></Response>"#
    );
    let spec = Spec { prefix: "", key_info: None, content_form: Some(EXCLUSIVE), ..Spec::default() };
    Shape { name: "minimal", xml, spec, form: Form::Assertion, finish: as_is }
}

fn jumpcloud() -> Shape {
    let xml = crate::forge::template()
        .replace("saml2p:", "samlp:")
        .replace(":saml2p", ":samlp")
        .replace("saml2:", "saml:")
        .replace(":saml2", ":saml")
        .replace(
            &format!("<saml:AttributeValue>{USER}</saml:AttributeValue>"),
            &format!("<saml:AttributeValue>\n        {USER}\n      </saml:AttributeValue>"),
        );
    fn windows_line_ends(xml: String) -> String {
        xml.replace('\n', "\r\n")
    }
    let spec = Spec { pretty: true, ..Spec::default() };
    Shape { name: "JumpCloud", xml, spec, form: Form::Assertion, finish: windows_line_ends }
}

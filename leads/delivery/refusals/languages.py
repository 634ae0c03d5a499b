"""Postgres's refusals in other languages: a server speaks that of its lc_messages before it knows the client's.

Stems of the messages in the catalogues of PostgreSQL 15, in lower case, and those of Portuguese, Polish and Turkish.
"""

import re

# What is said -> how other languages say it, as parts of patterns. German, Spanish, French, Italian, Japanese,
# Georgian, Korean, Russian, Swedish, Ukrainian, Chinese; Portuguese, Polish, Turkish.
_SAYINGS = {
    "password authentication failed": (
        *("authentifizierung für benutzer .*fehlgeschlagen", "autentificación .*falló", "authentification .*échouée"),
        *("autenticazione .*fallita", "認証に失敗しました", "ავთენტიფიკაცია .*ვერ მოხერხდა", "인증을 실패했습니다"),
        *("проверку подлинности", "autentisering misslyckades", "не пройшов автентифікацію", "认证失败|認證失敗"),
        *("autenticação .*falhou", "(autoryzacja|uwierzytelni.*) .*nie powiodł", "doğrulaması başarısız"),
    ),
    "no pg_hba.conf entry": (
        *("kein pg_hba.conf-eintrag", "no hay una línea en pg_hba.conf", "aucune entrée dans pg_hba.conf"),
        *(
            "nessuna voce in pg_hba.conf",
            "エントリがありません",
            "pg_hba.conf-ში ჩანაწერი",
            "pg_hba.conf 파일에 없습니다",
        ),
        *("в pg_hba.conf нет записи", "ingen rad i pg_hba.conf", "в pg_hba.conf немає запису", "的 pg_hba.conf 记录"),
        *("nenhuma entrada no pg_hba.conf", "brak wpisu w pg_hba.conf", "pg_hba.conf .*(kaydı|girdisi) yok"),
    ),
    "pg_hba.conf rejects connection": (
        *("pg_hba.conf lehnt verbindung ab", "pg_hba.conf rechaza la conexión", "pg_hba.conf rejette la connexion"),
        *("pg_hba.conf rifiuta", "pg_hba.conf の設定で.*拒否", "pg_hba.conf უარყოფს", "pg_hba.conf .*거부됩니다"),
        *("pg_hba.conf отвергает", "pg_hba.conf avvisar", "pg_hba.conf відхиляє", "pg_hba.conf 记录拒绝"),
        *("pg_hba.conf rejeitou", "pg_hba.conf odrzuca", "pg_hba.conf .*reddeder"),
    ),
    'role "it" does not exist': (
        *("rolle .*existiert nicht", "no existe el rol", "le rôle .*n'existe pas", "il ruolo .*non esiste"),
        *("ロール.*は存在しません", "როლი არ არსებობს", "롤.role. 없음", "роль .*не существует", "rollen .*finns inte"),
        *("роль .*не існує", "角色 .*不存在", "role .*não existe", "rola .*nie istnieje", "rolü mevcut değil"),
    ),
    "is not permitted to log in": (
        *("keine berechtigung zum einloggen", "no se le permite conectarse", "pas autorisé à se connecter"),
        *(
            "non è consentito effettuare il login",
            "ログインが許可されません",
            "როლს შესვლის უფლება არ",
            "접속을 허용하지 않음",
        ),
        *("вход запрещён", "tillåts inte logga in", "вхід не дозволений", "不允许角色"),
        *("não tem permissão para efetuar login", "nie ma zezwolenia na logowanie", "giriş yapmasına izin"),
    ),
    'database "it" does not exist': (
        *("datenbank .*existiert nicht", "no existe la base de datos", "la base de données .*n'existe pas"),
        *("il database .*non esiste", "データベース.*は存在しません", "ბაზა .*არ არსებობს", "데이터베이스 없음"),
        *("база данных .*не существует", "databasen .*existerar inte", "бази даних .*не існує", "数据库 .*不存在"),
        *("banco de dados .*não existe", "baza danych .*nie istnieje", "veritabanı (mevcut değil|yok)"),
    ),
    "permission denied for database": (
        *("keine berechtigung für datenbank", "permiso denegado a la base de datos", "droit refusé pour la base"),
        *(
            "permesso negato per il database",
            "データベース .*へのアクセスが拒否",
            "წვდომა აკრძალულია",
            "데이터베이스 접근 권한 없음",
        ),
        *(
            "нет доступа к базе данных",
            "rättighet saknas för databas",
            "немає доступу для бази даних",
            "对数据库 .*权限不够",
        ),
        *(
            "permissão negada para (o )?banco de dados",
            "odmowa dostępu do bazy danych",
            "veritabanına erişim engellendi",
        ),
    ),
    "too many clients": (
        *(
            "schon zu viele verbindungen",
            "demasiados clientes",
            "trop de clients",
            "troppi client",
            "クライアント数が多すぎ",
        ),
        *("მეტისმეტად ბევრი კლიენტია", "최대 동시 접속자 수", "слишком много клиентов", "för många klienter"),
        *("забагато клієнтів", "太多的客户", "muitos clientes conectados", "zbyt wielu klientów", "çok fazla istemci"),
    ),
    "too many connections": (
        *("zu viele verbindungen (von|für)", "demasiadas conexiones", "trop de connexions", "troppe connessioni"),
        *(
            "接続が多すぎます",
            "ბევრი კავშირი",
            "최대 (동시 )?접속수를 초과",
            "слишком много подключений",
            "för många uppkopplingar",
        ),
        *("занадто багато підключень", "连接太多", "muitas conexões", "zbyt wiele połączeń", "çok fazla bağlantı"),
    ),
    "connection slots are reserved": (
        *(
            "verbleibenden verbindungen sind",
            "conexiones restantes están reservadas",
            "connexions restants sont réservés",
        ),
        *("rimanenti slot di connessione", "残りの接続スロット", "남은 연결 슬롯", "слоты подключений зарезервированы"),
        *(
            "(resterande|återstående) anslutningsslottar",
            "слоти підключень",
            "已保留的连接位置",
            "conexões restantes",
            "pozostałe gniazda",
        ),
    ),
    "is not currently accepting connections": (
        *("akzeptiert gegenwärtig keine verbindungen", "la base de datos .*no acepta conexiones"),
        *(
            "n'accepte plus les connexions",
            "attualmente non accetta connessioni",
            "現在データベース.*は接続を受け付けません",
        ),
        *("ამჟამად მიერთებებს არ იღებს", "현재 접속을 허용하지 않습니다", "не принимает подключения в данный момент"),
        *("för närvarande inte emot uppkopplingar", "підключення в даний момент", "当前不接受联接"),
        *("não está aceitando conexões no momento", "nie akceptuje obecnie połączeń", "şu anda bağlantı kabul etmiyor"),
    ),
    "starting up": (
        *(
            "datenbanksystem startet",
            "está iniciándose",
            "se lance",
            "si sta avviando",
            "起動処理中",
            "სისტემის გაშვება",
        ),
        *("새로 가동 중", "баз данных запускается", "databassystemet startar upp", "бази даних запускається", "启动中"),
        *("está iniciando", "uruchamia się", "başlatılıyor"),
    ),
    "not yet accepting connections": (
        *("nimmt noch keine verbindungen an", "aún no está aceptando conexiones", "n'accepte pas encore de connexions"),
        *(
            "non accetta ancora connessioni",
            "まだ接続を受け付けていません",
            "ჯერ მიერთებებს არ იღებს",
            "아직 접속을 허용하지 않습니다",
        ),
        *("ещё не принимает подключения", "tar ännu inte emot anslutningar", "ще не приймає підключення"),
        *(
            "ainda não está aceitando conexões",
            "jeszcze nie (akceptuje|przyjmuje) połączeń",
            "henüz bağlantı kabul etmiyor",
        ),
    ),
    "in recovery mode": (
        *("wiederherstellungsmodus", "modo de recuperación", "en cours de restauration", "modalità di ripristino"),
        *("リカバリモード", "აღდგენის რეჟიმშია", "자동 복구 작업 중", "в режиме восстановления", "återställningsläge"),
        *("у режимі відновлення", "恢复模式", "modo de recuperação", "w trybie odzyskiwania", "kurtarma modunda"),
    ),
    "not accepting connections": (
        *("nimmt keine verbindungen an", "no está aceptando conexiones", "n'accepte pas de connexions"),
        *("sistema di database non accetta connessioni", "接続を受け付けていません", "სისტემა მიერთებებს არ იღებს"),
        *("시스템은 접속을 허용하지 않습니다", "система бд не принимает подключения", "tar inte emot anslutningar"),
        *("система бази даних не приймає підключення", "不接受连接", "não está aceitando conexões"),
        *("nie (akceptuje|przyjmuje) połączeń", "bağlantı kabul etmiyor"),
    ),
    "database system is shutting down": (
        *(
            "datenbanksystem fährt herunter",
            "está apagándose",
            "s'arrête",
            "si sta spegnendo",
            "シャットダウンしています",
        ),
        *("სისტემა ითიშება", "시스템이 중지 중", "баз данных останавливается", "databassystemet stänger ner"),
        *("завершує роботу", "系统停止中", "está desligando", "zamyka się|wyłącza się", "kapatılıyor|kapanıyor"),
    ),
}
_PATTERNS = {english: re.compile("|".join(sayings), re.DOTALL) for english, sayings in _SAYINGS.items()}


def in_english(words: str) -> str:
    """Return a message with what it says in English added on a line of its own. words: in lower case."""
    said = [english for english, pattern in _PATTERNS.items() if pattern.search(words)]
    return "\n".join([words, *said[:1]])
